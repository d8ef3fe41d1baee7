# When the functions look for work: one schedule for each light function, one for each heavy asset.
#
# A light function compares the config's own schedules with the vault, so it only has to look often enough, and a wait that
# outlives one invocation is the first thing that the next one takes up. A fleet is woken for at its own moment as well, all of
# its members in one invocation. An export dumps a whole database: it has a schedule
# and an invocation of its own. A tick that comes too late is dropped: the next one does its work.

locals {
  ticks = merge({
    snapshot-trigger  = "cron(0/15 * * * ? *)"
    cross-region-copy = "cron(5/15 * * * ? *)"
    restore-drill     = "cron(10/15 * * * ? *)"
    freshness-checker = "cron(7 * * * ? *)"
  }, var.ticks)

  # EventBridge Scheduler puts the moment in; a schedule that carries it is missed when it falls silent.
  scheduled_at = "<aws.scheduler.scheduled-time>"

  fargate_assets = var.fargate == null ? [] : var.fargate.assets
  lambda_exports = { for name, schedule in local.exports : name => schedule if !contains(local.fargate_assets, name) }

  # `orders-db`, and `orders-db.2` where cron's "this day of the month or that weekday" takes two. Long names are shortened.
  export_ticks = merge([
    for name, expressions in module.cron.expressions : {
      for n, expression in expressions :
      "${length(name) > 50 ? "${substr(name, 0, 42)}-${substr(sha1(name), 0, 7)}" : name}${n == 0 ? "" : ".${n + 1}"}" =>
      { asset = name, expression = expression }
    } if contains(keys(local.exports), name)
  ]...)
  fleet_ticks = merge([
    for name, expressions in module.cron.expressions : {
      for n, expression in expressions : "${name}${n == 0 ? "" : ".${n + 1}"}" => { asset = name, expression = expression }
    } if contains(keys(local.fleets), name)
  ]...)
}

module "cron" {
  source    = "./cron"
  schedules = merge(local.exports, { for name, fleet in local.fleets : name => fleet.snapshot.schedule })
}

resource "aws_scheduler_schedule_group" "lastgood" {
  name = var.name
}

resource "aws_scheduler_schedule" "tick" {
  for_each                     = { for name, function in local.functions : name => local.ticks[name] if name != "export-to-bucket" }
  name                         = each.key
  description                  = "Wakes ${each.key} to look for what is due"
  group_name                   = aws_scheduler_schedule_group.lastgood.name
  schedule_expression          = each.value
  schedule_expression_timezone = "UTC"
  flexible_time_window {
    mode = "OFF"
  }
  target {
    arn      = aws_lambda_function.function[each.key].arn
    role_arn = aws_iam_role.scheduler.arn
    input    = "{\"scheduled_at\":\"${local.scheduled_at}\"}"
    retry_policy {
      maximum_retry_attempts       = 3
      maximum_event_age_in_seconds = 900
    }
    dead_letter_config {
      arn = aws_sqs_queue.undelivered.arn
    }
  }
}

# RDS writes extracts by itself, for hours: each look begins what is due and records what is complete.
resource "aws_scheduler_schedule" "analytics" {
  count                        = length(local.analytics) > 0 ? 1 : 0
  name                         = "analytics"
  description                  = "Wakes export-to-bucket to see to extracts for analysts"
  group_name                   = aws_scheduler_schedule_group.lastgood.name
  schedule_expression          = "cron(20/30 * * * ? *)"
  schedule_expression_timezone = "UTC"
  flexible_time_window {
    mode = "OFF"
  }
  target {
    arn      = aws_lambda_function.function["export-to-bucket"].arn
    role_arn = aws_iam_role.scheduler.arn
    input    = "{\"analytics\":true,\"scheduled_at\":\"${local.scheduled_at}\"}"
    retry_policy {
      maximum_retry_attempts       = 3
      maximum_event_age_in_seconds = 900
    }
    dead_letter_config {
      arn = aws_sqs_queue.undelivered.arn
    }
  }
}

resource "aws_scheduler_schedule" "export" {
  for_each                     = { for name, tick in local.export_ticks : name => tick if !contains(local.fargate_assets, tick.asset) }
  name                         = "export.${each.key}"
  description                  = "Wakes the export of ${each.value.asset}"
  group_name                   = aws_scheduler_schedule_group.lastgood.name
  schedule_expression          = each.value.expression
  schedule_expression_timezone = "UTC"
  flexible_time_window {
    mode = "OFF"
  }
  target {
    arn      = aws_lambda_function.function["export-to-bucket"].arn
    role_arn = aws_iam_role.scheduler.arn
    input    = "{\"asset\":\"${each.value.asset}\",\"scheduled_at\":\"${local.scheduled_at}\"}"
    retry_policy {
      maximum_retry_attempts       = 8
      maximum_event_age_in_seconds = 3600
    }
    dead_letter_config {
      arn = aws_sqs_queue.undelivered.arn
    }
  }
}

resource "aws_scheduler_schedule" "fleet" {
  for_each                     = local.fleet_ticks
  name                         = "fleet.${each.key}"
  description                  = "Wakes the snapshots of fleet ${each.value.asset}"
  group_name                   = aws_scheduler_schedule_group.lastgood.name
  schedule_expression          = each.value.expression
  schedule_expression_timezone = "UTC"
  flexible_time_window {
    mode = "OFF"
  }
  target {
    arn      = aws_lambda_function.function["snapshot-trigger"].arn
    role_arn = aws_iam_role.scheduler.arn
    input    = "{\"asset\":\"${each.value.asset}\",\"scheduled_at\":\"${local.scheduled_at}\"}"
    retry_policy {
      maximum_retry_attempts       = 8
      maximum_event_age_in_seconds = 3600
    }
    dead_letter_config {
      arn = aws_sqs_queue.undelivered.arn
    }
  }
}
