# One role for each function, and one with which EventBridge Scheduler calls them. What each may do stands in permissions.tf.

locals {
  trust = {
    lambda = {
      Principal = { Service = "lambda.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }
    # The source of a schedule's call is its group: only this account's schedules of this group get the role.
    scheduler = {
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account, "aws:SourceArn" = local.schedule_group_arn } }
    }
    tasks = {
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
      }
    }
  }
  trusts = {
    for who, trust in local.trust : who => jsonencode({
      Version = "2012-10-17", Statement = [merge({ Effect = "Allow", Action = "sts:AssumeRole" }, trust)]
    })
  }
  schedule_group_arn = "arn:${local.partition}:scheduler:${local.region}:${local.account}:schedule-group/${var.name}"
}

resource "aws_iam_role" "function" {
  for_each           = local.functions
  name               = "${var.name}-${each.key}"
  description        = "Lastgood: what ${each.key} may do"
  assume_role_policy = local.trusts.lambda
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions
  name     = each.key
  role     = aws_iam_role.function[each.key].name
  policy   = jsonencode({ Version = "2012-10-17", Statement = local.permissions[each.key] })
  lifecycle {
    precondition {
      condition     = length(jsonencode({ Version = "2012-10-17", Statement = local.permissions[each.key] })) <= 10240
      error_message = "The rights of ${each.key} take more than the 10,240 characters that IAM allows a role: some 35 databases fit. Apply the module once for each part of the fleet, with a lastgood.yaml and a `name` of its own."
    }
  }
}

resource "aws_iam_role" "scheduler" {
  name               = "${var.name}-scheduler"
  description        = "Lastgood: wakes the functions, and nothing else"
  assume_role_policy = local.trusts.scheduler
}

resource "aws_iam_role_policy" "scheduler" {
  name   = "wake"
  role   = aws_iam_role.scheduler.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.permissions.scheduler })
}
