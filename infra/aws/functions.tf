# The functions: one Lambda each, from a zip or, where Postgres's own programs are needed, from an image.

locals {
  all_functions = {
    snapshot-trigger  = { memory = 512, timeout = 900, disk = 512, wanted = true }
    export-to-bucket  = { memory = 1769, timeout = 900, disk = 2048, wanted = length(local.lambda_exports) + length(local.analytics) > 0 }
    cross-region-copy = { memory = 1024, timeout = 900, disk = 512, wanted = length(local.copy_vaults) + length(local.region_copies) > 0 }
    freshness-checker = { memory = 256, timeout = 900, disk = 512, wanted = true }
    restore-drill     = { memory = 1024, timeout = 900, disk = 2048, wanted = length(local.drills) > 0 }
  }
  functions = { for name, function in local.all_functions : name => function if function.wanted }

  # Exports run side by side, one invocation for each asset; the others look at all assets and gain nothing from company.
  alone = var.reserve_concurrency ? setsubtract(keys(local.functions), ["export-to-bucket"]) : []

  networks = {
    export-to-bucket = var.database_network
    restore-drill    = local.drill_function_network
  }
}

resource "aws_lambda_function" "function" {
  for_each      = local.functions
  function_name = "${var.name}-${each.key}"
  description   = "Lastgood: ${each.key}"
  role          = aws_iam_role.function[each.key].arn
  architectures = [var.architecture]
  memory_size   = lookup(var.memory, each.key, each.value.memory)
  timeout       = each.value.timeout

  package_type     = contains(keys(var.images), each.key) ? "Image" : "Zip"
  image_uri        = lookup(var.images, each.key, null)
  filename         = contains(keys(var.images), each.key) ? null : "${var.packages}/${each.key}/bootstrap.zip"
  source_code_hash = contains(keys(var.images), each.key) ? null : try(filebase64sha256("${var.packages}/${each.key}/bootstrap.zip"), null)
  runtime          = contains(keys(var.images), each.key) ? null : "provided.al2023"
  handler          = contains(keys(var.images), each.key) ? null : "bootstrap"
  layers           = contains(keys(var.images), each.key) ? null : aws_lambda_layer_version.files[*].arn

  reserved_concurrent_executions = contains(local.alone, each.key) ? 1 : -1

  environment {
    # ALERT_TOPIC is for `notify: [{ kind: sns, topic: env:ALERT_TOPIC }]`; by LASTGOOD_SCHEDULES the checker sees one that is switched off.
    variables = merge(var.environment, { LASTGOOD_CONFIG = "s3://${local.vault.bucket}/${local.config_key}", ALERT_TOPIC = local.topic_arn },
    each.key == "freshness-checker" ? { LASTGOOD_SCHEDULES = aws_scheduler_schedule_group.lastgood.name } : {})
  }
  ephemeral_storage {
    size = each.value.disk
  }
  tracing_config {
    mode = var.tracing ? "Active" : "PassThrough"
  }
  dynamic "vpc_config" {
    for_each = try(local.networks[each.key], null) == null ? [] : [local.networks[each.key]]
    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }
  lifecycle {
    precondition {
      condition     = contains(keys(var.images), each.key) || fileexists("${var.packages}/${each.key}/bootstrap.zip")
      error_message = "There is no ${var.packages}/${each.key}/bootstrap.zip: run `make package` first, and name its folder as `packages`."
    }
  }
  # The log group has the name that Lambda expects; made first, it is ours and has an end.
  depends_on = [aws_iam_role_policy.function, aws_cloudwatch_log_group.function, aws_iam_role_policy_attachment.beside]
}

# Files that the config names by their path below /opt.
resource "aws_lambda_layer_version" "files" {
  count                    = var.files == null ? 0 : 1
  layer_name               = "${var.name}-files"
  filename                 = var.files
  source_code_hash         = filebase64sha256(var.files)
  compatible_architectures = [var.architecture]
  compatible_runtimes      = ["provided.al2023"]
}

resource "aws_cloudwatch_log_group" "function" {
  for_each          = local.functions
  name              = "/aws/lambda/${var.name}-${each.key}"
  retention_in_days = var.log_days
}

# What a light function could not do now, its next tick does; an export has only one slot, so it is tried again.
resource "aws_lambda_function_event_invoke_config" "function" {
  for_each                     = local.functions
  function_name                = aws_lambda_function.function[each.key].function_name
  maximum_event_age_in_seconds = 3600
  maximum_retry_attempts       = each.key == "export-to-bucket" ? 2 : 0
  destination_config {
    on_failure {
      destination = aws_sqs_queue.failed.arn
    }
  }
}
