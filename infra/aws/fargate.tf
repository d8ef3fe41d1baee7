# Exports that take longer than a Lambda may: the same image, as a task that its schedule starts and that ends by itself.

resource "aws_ecs_cluster" "exports" {
  count = var.fargate == null ? 0 : 1
  name  = "${var.name}-exports"
}

resource "aws_cloudwatch_log_group" "exports" {
  count             = var.fargate == null ? 0 : 1
  name              = "/ecs/${var.name}-exports"
  retention_in_days = var.log_days
}

# What the task may do is what the function may; what starts it may fetch the image and write logs.
resource "aws_iam_role" "export_task" {
  for_each           = var.fargate == null ? [] : toset(["task", "start"])
  name               = "${var.name}-export-${each.key}"
  description        = each.key == "task" ? "Lastgood: what an export on Fargate may do" : "Lastgood: fetches the export's image and writes its logs"
  assume_role_policy = local.trusts.tasks
}

resource "aws_iam_role_policy" "export_task" {
  for_each = aws_iam_role.export_task
  name     = each.key
  role     = each.value.name
  policy   = jsonencode({ Version = "2012-10-17", Statement = local.task_permissions[each.key] })
}

locals {
  task_permissions = {
    task  = [for statement in local.permissions.export-to-bucket : statement if !contains(["WriteLogs", "KeepFailed", "JoinNetwork", "InterfacesAreLambdas"], statement.Sid)]
    start = local.start_tasks
  }
  start_tasks = [
    { Sid = "LogIntoRegistry", Effect = "Allow", Action = ["ecr:GetAuthorizationToken"], Resource = ["*"] },
    { Sid = "FetchImage", Effect = "Allow", Action = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], Resource = ["arn:${local.partition}:ecr:*:*:repository/*"] },
    { Sid = "WriteTaskLogs", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/ecs/${var.name}-exports:*"] },
  ]
  run_tasks = [for statement in [
    {
      Sid       = "StartTasks", Effect = "Allow"
      Action    = ["ecs:RunTask"]
      Resource  = ["arn:${local.partition}:ecs:${local.region}:${local.account}:task-definition/${var.name}-export:*"]
      Condition = { ArnEquals = { "ecs:cluster" = "arn:${local.partition}:ecs:${local.region}:${local.account}:cluster/${var.name}-exports" } }
    },
    {
      Sid       = "HandTasksTheirRoles", Effect = "Allow"
      Action    = ["iam:PassRole"]
      Resource  = [for role in ["task", "start"] : "arn:${local.partition}:iam::${local.account}:role/${var.name}-export-${role}"]
      Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
    },
  ] : statement if var.fargate != null]
}

resource "aws_ecs_task_definition" "export" {
  count                    = var.fargate == null ? 0 : 1
  family                   = "${var.name}-export"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.fargate.cpu
  memory                   = var.fargate.memory
  task_role_arn            = aws_iam_role.export_task["task"].arn
  execution_role_arn       = aws_iam_role.export_task["start"].arn
  runtime_platform {
    cpu_architecture        = var.architecture == "arm64" ? "ARM64" : "X86_64"
    operating_system_family = "LINUX"
  }
  ephemeral_storage {
    size_in_gib = var.fargate.disk_gib
  }
  container_definitions = jsonencode([{
    name        = "export"
    image       = var.fargate.image
    essential   = true
    stopTimeout = 120 # what is under way is put down in order
    environment = [for name, value in merge(nonsensitive(var.environment), {
      LASTGOOD_CONFIG  = "s3://${local.vault.bucket}/${local.config_key}"
      LASTGOOD_METRICS = "emf"
      ALERT_TOPIC      = local.topic_arn
      LASTGOOD_TIMEOUT = var.fargate.timeout
    }) : { name = name, value = value }]
    logConfiguration = {
      logDriver = "awslogs"
      options   = { awslogs-group = "/ecs/${var.name}-exports", awslogs-region = local.region, awslogs-stream-prefix = "export" }
    }
  }])
}

resource "aws_scheduler_schedule" "task" {
  for_each                     = { for name, tick in local.export_ticks : name => tick if contains(local.fargate_assets, tick.asset) }
  name                         = "task.${each.key}"
  description                  = "Starts the export of ${each.value.asset} on Fargate"
  group_name                   = aws_scheduler_schedule_group.lastgood.name
  schedule_expression          = each.value.expression
  schedule_expression_timezone = "UTC"
  flexible_time_window {
    mode = "OFF"
  }
  target {
    arn      = aws_ecs_cluster.exports[0].arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode({ containerOverrides = [{ name = "export", command = [each.value.asset, "--scheduled"] }] })
    ecs_parameters {
      task_definition_arn = aws_ecs_task_definition.export[0].arn
      launch_type         = "FARGATE"
      network_configuration {
        subnets          = var.fargate.subnet_ids
        security_groups  = var.fargate.security_group_ids
        assign_public_ip = false
      }
    }
    retry_policy {
      maximum_retry_attempts       = 8
      maximum_event_age_in_seconds = 3600
    }
    dead_letter_config {
      arn = aws_sqs_queue.undelivered.arn
    }
  }
}
