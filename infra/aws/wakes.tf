# Events that wake the right function for the asset they concern. What reaches a function is an event of our own: the moment,
# the origin and the name of an asset that this config has; nothing of the provider's words. The schedules would find the same
# work a few minutes later, so nothing depends on an event: RDS tells its events with best effort only.

locals {
  # What RDS calls a thing of ours: the instance or cluster itself, and the snapshots that are named after the asset.
  rds_wakes = merge([
    for asset, source in local.named : {
      "${asset}.trouble" = {
        asset     = asset
        functions = ["snapshot-trigger", "freshness-checker"]
        pattern = {
          source      = ["aws.rds"]
          account     = [local.account]
          detail-type = ["RDS DB Instance Event", "RDS DB Cluster Event"]
          detail      = { SourceIdentifier = [source.instance], EventCategories = ["failure", "failover", "recovery", "low storage", "deletion", "configuration change"] }
        }
      }
      "${asset}.snapshot" = {
        asset     = asset
        functions = ["snapshot-trigger", "cross-region-copy"]
        pattern = {
          source      = ["aws.rds"]
          account     = [local.account]
          detail-type = ["RDS DB Snapshot Event", "RDS DB Cluster Snapshot Event"]
          detail      = { SourceIdentifier = [{ prefix = replace("lastgood-${asset}-2", "/-+/", "-") }] }
        }
      }
    } if source.region == local.region
  ]...)
  # AWS Backup has restored something of ours to test it. Whether it still waits to be judged, the drill asks AWS Backup.
  test_wakes = {
    for asset, source in local.named : "${asset}.restore-test" => {
      asset     = asset
      functions = ["restore-drill"]
      pattern = {
        source      = ["aws.backup"]
        account     = [local.account]
        detail-type = ["Restore Job State Change"]
        detail = {
          status                = ["COMPLETED"]
          restoreTestingPlanArn = [{ exists = true }]
          sourceResourceArn     = [for kind in ["db", "cluster"] : "arn:${local.partition}:rds:${source.region}:${local.account}:${kind}:${source.instance}"]
        }
      }
    } if source.region == local.region && contains(local.restore_tests, asset)
  }
  # Alarms: those that are named, and our own about an asset's backups. A retry that fails again changes no alarm's state, so
  # an alarm wakes once.
  alarm_wakes = merge(
    { for alarm, asset in var.alarm_assets : "alarm.${alarm}" => { asset = asset, alarms = [alarm] } },
    {
      for asset in distinct([for taker in local.takers : taker.asset]) :
      "${asset}.backup" => { asset = asset, alarms = [for what in ["backup-stale", "snapshot-failed", "export-failed"] : "${var.name}/${asset}/${what}"] }
    },
  )
  alarm_rules = {
    for name, wake in local.alarm_wakes : name => {
      asset     = wake.asset
      functions = concat([for taker in local.takers : taker.function if taker.asset == wake.asset], ["freshness-checker"])
      pattern = {
        source      = ["aws.cloudwatch"]
        account     = [local.account]
        detail-type = ["CloudWatch Alarm State Change"]
        detail      = { alarmName = wake.alarms, state = { value = ["ALARM"] } }
      }
    }
  }
  wakes = { for name, wake in merge(local.rds_wakes, local.test_wakes, local.alarm_rules) : name => merge(wake, { pattern = jsonencode(wake.pattern) }) }
  wake_targets = merge([
    for name, wake in local.wakes : {
      for function in wake.functions : "${name}.${function}" => { rule = name, asset = wake.asset, function = function } if contains(keys(local.functions), function)
    }
  ]...)
}

resource "aws_cloudwatch_event_rule" "wake" {
  for_each      = local.wakes
  name          = "${var.name}.${replace(length(each.key) > 40 ? "${substr(each.key, 0, 32)}-${substr(sha1(each.key), 0, 7)}" : each.key, "/[^A-Za-z0-9._-]/", "-")}"
  description   = "Wakes Lastgood for ${each.value.asset}"
  event_pattern = each.value.pattern
}

resource "aws_cloudwatch_event_target" "wake" {
  for_each  = local.wake_targets
  rule      = aws_cloudwatch_event_rule.wake[each.value.rule].name
  target_id = each.value.function
  arn       = aws_lambda_function.function[each.value.function].arn
  input_transformer {
    input_paths    = { time = "$.time", account = "$.account", region = "$.region" }
    input_template = "{\"source\":\"lastgood.wakes\",\"detail-type\":\"An asset may need attention\",\"time\":<time>,\"account\":<account>,\"region\":<region>,\"detail\":{\"asset\":\"${each.value.asset}\"}}"
  }
  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 8
  }
  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }
}

resource "aws_lambda_permission" "wake" {
  for_each       = local.wake_targets
  statement_id   = "wake-${sha1(each.key)}"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.function[each.value.function].function_name
  principal      = "events.amazonaws.com"
  source_arn     = aws_cloudwatch_event_rule.wake[each.value.rule].arn
  source_account = local.account
}
