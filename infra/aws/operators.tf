# Roles without standing credentials, for people: to restore in an incident, and to let go by hand where the functions may not.
# They are assumed with MFA, for an hour, by the principals that `operators` names.

locals {
  operator_roles = length(var.operators) > 0 ? { recover = "Restores a backup beside what is there", pruner = "Lets go what retention no longer asks for" } : {}
}

resource "aws_iam_role" "operator" {
  for_each             = local.operator_roles
  name                 = "${var.name}-${each.key}"
  description          = "Lastgood: ${each.value}"
  max_session_duration = 3600
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect    = "Allow"
    Action    = "sts:AssumeRole"
    Principal = { AWS = var.operators }
    Condition = { Bool = { "aws:MultiFactorAuthPresent" = "true" } }
  }] })
}

resource "aws_iam_role_policy" "operator" {
  for_each = local.operator_roles
  name     = each.key
  role     = aws_iam_role.operator[each.key].name
  policy   = jsonencode({ Version = "2012-10-17", Statement = local.permissions[each.key] })
}
