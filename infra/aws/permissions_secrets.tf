# What sets of secrets take: whoever exports lists and reads them, and writes none; an operator brings them back as what is new. A
# drill needs nothing of Secrets Manager: it opens what the vault has.

locals {
  sets_of_secrets = distinct([for asset in local.secret_sets : "arn:${local.partition}:secretsmanager:${asset.region}:${local.account}:secret:${try(asset.prefix, "")}*"])
  through_secrets = { StringEquals = { "kms:ViaService" = distinct([for asset in local.secret_sets : "secretsmanager.${asset.region}.amazonaws.com"]) } }

  list_secrets = [for statement in [
    { Sid = "ListSecrets", Effect = "Allow", Action = ["secretsmanager:ListSecrets"], Resource = ["*"] }, # a listing has no narrower one
  ] : statement if length(local.secret_sets) > 0]

  export_secrets = [for statement in [
    { Sid = "ExportSecrets", Effect = "Allow", Action = ["secretsmanager:GetSecretValue"], Resource = local.sets_of_secrets },
    { Sid = "OpenExportedSecrets", Effect = "Allow", Action = ["kms:Decrypt"], Resource = var.secret_keys, Condition = local.through_secrets },
  ] : statement if length(local.secret_sets) > 0 && (statement.Sid == "ExportSecrets" || length(var.secret_keys) > 0)]

  bring_secrets_back = [for statement in [
    {
      Sid      = "BringSecretsBack", Effect = "Allow"
      Action   = ["secretsmanager:CreateSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:TagResource"]
      Resource = local.sets_of_secrets
    },
    { Sid = "SealSecretsBroughtBack", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = var.secret_keys, Condition = local.through_secrets },
  ] : statement if length(local.secret_sets) > 0 && (statement.Sid == "BringSecretsBack" || length(var.secret_keys) > 0)]

  # What is in use stays in use until a person with rights of their own says otherwise.
  never_move_secrets = [for statement in [
    { Sid = "NeverMoveSecrets", Effect = "Deny", Action = ["secretsmanager:DeleteSecret", "secretsmanager:UpdateSecret", "secretsmanager:UpdateSecretVersionStage"], Resource = ["*"] },
  ] : statement if length(local.secret_sets) > 0]
  never_write_secrets = [for statement in [
    { Sid = "NeverWriteSecrets", Effect = "Deny", Action = ["secretsmanager:CreateSecret", "secretsmanager:PutSecretValue"], Resource = ["*"] },
  ] : statement if length(local.secret_sets) > 0]
}
