# What could not be delivered to a function (schedules, rules), and what a function gave up on: kept for two weeks, to be read
# by a person. Nothing reads them by itself, because the schedules repeat the work anyway.

resource "aws_sqs_queue" "undelivered" {
  name                      = "${var.name}-undelivered"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "failed" {
  name                      = "${var.name}-failed"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

locals {
  queues = { undelivered = aws_sqs_queue.undelivered, failed = aws_sqs_queue.failed }
}

resource "aws_sqs_queue_policy" "dead" {
  for_each  = local.queues
  queue_url = each.value.url
  policy = jsonencode({ Version = "2012-10-17", Statement = [for statement in [
    {
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = each.value.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    },
    {
      Sid       = "RulesOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = each.value.arn
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:events:${local.region}:${local.account}:rule/${var.name}.*" }
      }
    },
    {
      Sid       = "TopicsThatWake"
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = each.value.arn
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnEquals    = { "aws:SourceArn" = var.wake_topics }
      }
    },
  ] : statement if statement.Sid == "TlsOnly" || (each.key == "undelivered" && (statement.Sid != "TopicsThatWake" || length(var.wake_topics) > 0))] })
}

# A queue that nobody uses tells no metrics at all: here silence is the good case.
resource "aws_cloudwatch_metric_alarm" "dead" {
  for_each            = local.queues
  alarm_name          = "${var.name}/dead-letters/${each.key}"
  alarm_description   = "Something lies in ${var.name}-${each.key}: read it, mend its cause, and purge the queue."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = "${var.name}-${each.key}" }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
}
