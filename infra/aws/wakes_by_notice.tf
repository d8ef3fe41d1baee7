# Notices that go to a function as they are: which asset they are about it looks up in the config by itself.

# Our own events, put on a bus by whoever changed a backup (`events` in lastgood.yaml): what is there is copied and looked at,
# what failed is tried again by whoever failed. Nobody is woken without end: a function that has nothing to do changes nothing,
# and one that keeps failing rests for longer and longer.
locals {
  takes = { for function in ["export-to-bucket", "snapshot-trigger"] : function => function if contains(keys(local.functions), function) }
  changes = merge(
    {
      done   = { functions = ["cross-region-copy", "freshness-checker"], detail = { function = ["export-to-bucket", "snapshot-trigger"], state = ["done"] } }
      others = { functions = ["freshness-checker"], detail = { function = ["cross-region-copy", "restore-drill"] } }
    },
    {
      for function in local.takes : "${function}-failed" => {
        functions = [function, "freshness-checker"]
        # An export that runs as a task is not for the function: it takes longer than a function may.
        detail = merge({ function = [function], state = ["failed"] }, function == "export-to-bucket" && length(local.fargate_assets) > 0 ? { asset = [{ anything-but = local.fargate_assets }] } : {})
      }
    },
  )
  change_patterns = {
    for name, change in local.changes : name =>
    jsonencode({ source = ["lastgood"], account = [local.account], detail-type = ["Lastgood Backup State Change"], detail = change.detail })
  }
  change_targets = merge([
    for name, change in local.changes : {
      for function in change.functions : "${name}.${function}" => { rule = name, function = function } if contains(keys(local.functions), function)
    }
  ]...)
  topic_targets = { for pair in setproduct(var.wake_topics, ["snapshot-trigger", "freshness-checker"]) : "${pair[0]}.${pair[1]}" => { topic = pair[0], function = pair[1] } }
}

resource "aws_cloudwatch_event_rule" "change" {
  for_each       = local.change_patterns
  name           = "${var.name}.change.${each.key}"
  description    = "A backup changed, or could not: whoever waits for that looks at once"
  event_bus_name = local.bus_here
  event_pattern  = each.value
}

resource "aws_cloudwatch_event_target" "change" {
  for_each       = local.change_targets
  rule           = aws_cloudwatch_event_rule.change[each.value.rule].name
  event_bus_name = local.bus_here
  target_id      = each.value.function
  arn            = aws_lambda_function.function[each.value.function].arn
  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 8
  }
  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }
}

resource "aws_lambda_permission" "change" {
  for_each       = local.change_targets
  statement_id   = "change-${sha1(each.key)}"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.function[each.value.function].function_name
  principal      = "events.amazonaws.com"
  source_arn     = aws_cloudwatch_event_rule.change[each.value.rule].arn
  source_account = local.account
}

# Topics that carry alarms or RDS's event subscriptions: the functions know which asset a notice is about.
resource "aws_sns_topic_subscription" "wake" {
  for_each       = local.topic_targets
  topic_arn      = each.value.topic
  protocol       = "lambda"
  endpoint       = aws_lambda_function.function[each.value.function].arn
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.undelivered.arn })
}

resource "aws_lambda_permission" "topic" {
  for_each       = local.topic_targets
  statement_id   = "topic-${sha1(each.key)}"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.function[each.value.function].function_name
  principal      = "sns.amazonaws.com"
  source_arn     = each.value.topic
  source_account = local.account
}

# RDS's own events, where fleets are: whose an instance is only the functions know, so all of them come, and those about
# strangers are dropped there.
locals {
  fleets_here = [for name, fleet in local.fleets : name if fleet.region == local.region]
  fleet_rules = { for what, rule in {
    restored = {
      needed    = length(setintersection(local.restore_tests, local.fleets_here)) > 0
      source    = "aws.backup"
      functions = ["restore-drill"]
      types     = ["Restore Job State Change"]
      detail    = jsonencode({ status = ["COMPLETED"], restoreTestingPlanArn = [{ exists = true }], resourceType = ["RDS", "Aurora"] })
    }
    trouble = {
      needed    = true
      source    = "aws.rds"
      functions = ["snapshot-trigger", "freshness-checker"]
      types     = ["RDS DB Instance Event", "RDS DB Cluster Event"]
      detail    = jsonencode({ EventCategories = ["failure", "failover", "recovery", "low storage", "deletion", "configuration change"] })
    }
    snapshot = {
      needed    = true
      source    = "aws.rds"
      functions = ["snapshot-trigger", "cross-region-copy"]
      types     = ["RDS DB Snapshot Event", "RDS DB Cluster Snapshot Event"]
      detail    = jsonencode({ SourceIdentifier = [for name in local.fleets_here : { prefix = replace("lastgood-${name}-", "/-+/", "-") }] })
    }
  } : what => rule if length(local.fleets_here) > 0 && rule.needed }
  fleet_targets = merge([for what, rule in local.fleet_rules : {
    for name in rule.functions : "${what}.${name}" => { rule = what, function = name } if contains(keys(local.functions), name)
  }]...)
}

resource "aws_cloudwatch_event_rule" "fleet" {
  for_each      = local.fleet_rules
  name          = "${var.name}.fleet.${each.key}"
  description   = "Events that may concern a member of a fleet"
  event_pattern = jsonencode({ source = [each.value.source], account = [local.account], detail-type = each.value.types, detail = jsondecode(each.value.detail) })
}

resource "aws_cloudwatch_event_target" "fleet" {
  for_each  = local.fleet_targets
  rule      = aws_cloudwatch_event_rule.fleet[each.value.rule].name
  target_id = each.value.function
  arn       = aws_lambda_function.function[each.value.function].arn
  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 8
  }
  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }
}

resource "aws_lambda_permission" "fleet" {
  for_each       = local.fleet_targets
  statement_id   = "fleet-${each.value.rule}"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.function[each.value.function].function_name
  principal      = "events.amazonaws.com"
  source_arn     = aws_cloudwatch_event_rule.fleet[each.value.rule].arn
  source_account = local.account
}
