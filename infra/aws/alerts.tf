# Who is told when something goes wrong, or when nothing is heard any more. Unknown is never good: where a metric must be
# there, its absence is an alarm.

resource "aws_sns_topic" "alerts" {
  name              = "${var.name}-alerts"
  kms_master_key_id = module.vault.key_arn
}

resource "aws_sns_topic_policy" "alerts" {
  arn = aws_sns_topic.alerts.arn
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    {
      Sid       = "AlarmsOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = local.topic_arn
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.name}*" }
      }
    },
    {
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sns:Publish"
      Resource  = local.topic_arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    },
  ] })
}

resource "aws_sns_topic_subscription" "email" {
  for_each  = toset(var.alert_emails)
  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = each.key
}

locals {
  topic_arn = "arn:${local.partition}:sns:${local.region}:${local.account}:${var.name}-alerts"

  # A length of time in lastgood.yaml, in seconds.
  units = { s = 1, m = 60, h = 3600, d = 86400, w = 604800 }
  rpo   = { for name, asset in local.assets : name => try(asset.rpo, local.config.defaults.rpo, "24h") }
  rpo_seconds = {
    for name, span in local.rpo : name => tonumber(regex("^[0-9]+", span)) * local.units[regex("[smhdw]$", span)]
  }

  # What runs every quarter of an hour, or every hour, is missed after two rounds; what runs when an asset is due is watched by
  # the asset's own alarms.
  ticking = { for name in keys(local.functions) : name => name == "freshness-checker" ? 3600 : 900 if name != "export-to-bucket" }

  # What is taken of each asset, by whom it is told.
  takers = merge(
    { for name, asset in local.assets : "${name}/snapshot" => { asset = name, function = "snapshot-trigger" } if can(asset.snapshot.schedule) },
    { for name, schedule in local.exports : "${name}/export" => { asset = name, function = "export-to-bucket" } },
  )
}

# No invocation at all: the schedule is off, the role is broken, the function is gone.
resource "aws_cloudwatch_metric_alarm" "silent" {
  for_each            = local.ticking
  alarm_name          = "${var.name}/${each.key}/silent"
  alarm_description   = "${each.key} was not invoked for two rounds. Look at the schedule group ${var.name} and at the queue ${var.name}-undelivered."
  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = { FunctionName = "${var.name}-${each.key}" }
  statistic           = "Sum"
  period              = each.value
  evaluation_periods  = 2
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
}

# Failing again and again; once is for the next round to mend.
resource "aws_cloudwatch_metric_alarm" "failing" {
  for_each            = local.functions
  alarm_name          = "${var.name}/${each.key}/failing"
  alarm_description   = "${each.key} fails. Its log group is /aws/lambda/${var.name}-${each.key}; `lastgood status` says which assets it concerns."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = "${var.name}-${each.key}" }
  statistic           = "Sum"
  period              = lookup(local.ticking, each.key, 3600)
  evaluation_periods  = each.key == "export-to-bucket" ? 1 : 3
  datapoints_to_alarm = each.key == "export-to-bucket" ? 1 : 2
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  # An export that was not due has no errors to tell; the age of what it exports is watched below.
  treat_missing_data = each.key == "export-to-bucket" ? "notBreaching" : "breaching"
  alarm_actions      = [aws_sns_topic.alerts.arn]
  ok_actions         = [aws_sns_topic.alerts.arn]
}

# The age of each asset's data, as the checker saw it in the vault and at the provider. The checker tells nothing where it
# knows nothing, and then this goes off.
resource "aws_cloudwatch_metric_alarm" "stale" {
  for_each            = { for taker in local.takers : taker.asset => local.rpo_seconds[taker.asset]... }
  alarm_name          = "${var.name}/${each.key}/backup-stale"
  alarm_description   = "The newest good backup of ${each.key} is older than its rpo (${local.rpo[each.key]}), or nobody knows. Runbook: backup-stale. Next: lastgood status"
  namespace           = "Lastgood"
  metric_name         = "BackupAgeSeconds"
  dimensions          = { Asset = each.key, Function = "freshness-checker" }
  statistic           = "Maximum"
  period              = 3600
  evaluation_periods  = 2
  threshold           = each.value[0]
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
}

resource "aws_cloudwatch_metric_alarm" "critical" {
  for_each            = local.assets
  alarm_name          = "${var.name}/${each.key}/critical"
  alarm_description   = "The checker has a critical finding about ${each.key}, or does not see it. Next: lastgood status"
  namespace           = "Lastgood"
  metric_name         = "CriticalFindings"
  dimensions          = { Asset = each.key, Function = "freshness-checker" }
  statistic           = "Maximum"
  period              = 3600
  evaluation_periods  = 2
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
}

# Told only when one was tried: silence is the business of the two above.
resource "aws_cloudwatch_metric_alarm" "failed" {
  for_each = merge(
    { for name, taker in local.takers : "${taker.asset}/${taker.function == "snapshot-trigger" ? "snapshot" : "export"}-failed" => merge(taker, { metric = "BackupFailed" }) },
    { for name in keys(local.drills) : "${name}/drill-failed" => { asset = name, function = "restore-drill", metric = "DrillFailed" } },
  )
  alarm_name          = "${var.name}/${each.key}"
  alarm_description   = "${each.value.function} failed for ${each.value.asset}. Earlier backups are as they were. Next: lastgood status"
  namespace           = "Lastgood"
  metric_name         = each.value.metric
  dimensions          = { Asset = each.value.asset, Function = each.value.function }
  statistic           = "Maximum"
  period              = 900
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
}
