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

locals {
  # A role's own policy has 10,240 characters at most: what running takes, and what volumes, caches and restore tests do, stands in one beside
  # it, of 6,144.
  beside = [for statement in concat(
    local.look_at_volumes, local.begin_volume_snapshots, local.copy_volume_snapshots, local.share_volume_snapshots, local.clear_volume_copies, local.let_go_of_volumes,
    local.use_volume_keys, local.make_volumes, local.never_touch_volumes, local.look_at_other_keys, local.look_at_caches, local.begin_cache_snapshots, local.let_go_of_caches,
    local.test_restores, local.never_change_others,
    flatten(values(local.run)),
  ) : statement.Sid]
  own_policies    = { for name in keys(local.functions) : name => jsonencode({ Version = "2012-10-17", Statement = [for statement in local.permissions[name] : statement if !contains(local.beside, statement.Sid)] }) }
  beside_policies = { for name in keys(local.functions) : name => jsonencode({ Version = "2012-10-17", Statement = [for statement in local.permissions[name] : statement if contains(local.beside, statement.Sid)] }) }
}

resource "aws_iam_policy" "beside" {
  for_each    = local.functions
  name        = "${var.name}-${each.key}-beside"
  description = "Lastgood: what ${each.key} needs to run, and may do with volumes and caches"
  policy      = local.beside_policies[each.key]
  lifecycle {
    precondition {
      condition     = length(local.beside_policies[each.key]) <= 6144
      error_message = "The rights of ${each.key} on volumes and caches take more than the 6,144 characters that IAM allows a policy. Apply the module once for each part of the fleet, with a lastgood.yaml and a `name` of its own."
    }
  }
}

resource "aws_iam_role_policy_attachment" "beside" {
  for_each   = local.functions
  role       = aws_iam_role.function[each.key].name
  policy_arn = aws_iam_policy.beside[each.key].arn
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions
  name     = each.key
  role     = aws_iam_role.function[each.key].name
  policy   = local.own_policies[each.key]
  lifecycle {
    precondition {
      condition     = length(local.own_policies[each.key]) <= 10240
      error_message = "The rights of ${each.key} (${length(local.own_policies[each.key])} characters) take more than the 10,240 that IAM allows a role: some 35 databases fit. Apply the module once for each part of the fleet, with a lastgood.yaml and a `name` of its own."
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
