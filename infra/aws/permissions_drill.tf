# What only the drill, the pruner and the operator may do, and what nobody may.

locals {
  drill_regions = length(local.rds_drills) > 0 ? local.rds_regions : []
  # The names that every replica has.
  replicas = flatten([for region in local.rds_regions : [
    "arn:${local.partition}:rds:${region}:${local.account}:db:lastgood-drill-*",
    "arn:${local.partition}:rds:${region}:${local.account}:cluster:lastgood-drill-*",
  ]])
  # What a restore refers to besides the snapshot: groups of parameters, options and subnets.
  restore_groups = flatten([for region in local.rds_regions : [
    for kind in ["subgrp", "pg", "cluster-pg", "og"] : "arn:${local.partition}:rds:${region}:${local.account}:${kind}:*"
  ]])

  make_replicas = [for statement in [
    {
      Sid       = "MakeReplicas", Effect = "Allow"
      Action    = ["rds:CreateDBInstance", "rds:RestoreDBClusterFromSnapshot", "rds:RestoreDBInstanceFromDBSnapshot"]
      Resource  = concat(local.replicas, local.our_snapshots, local.restore_groups)
      Condition = { Null = { "aws:RequestTag/lastgood:replica" = "false", "aws:RequestTag/lastgood:expires" = "false" } }
    },
    {
      Sid      = "TagReplicas", Effect = "Allow"
      Action   = ["rds:AddTagsToResource"]
      Resource = local.replicas
    },
    {
      Sid       = "ChangeAndRemoveReplicas", Effect = "Allow"
      Action    = ["rds:DeleteDBCluster", "rds:DeleteDBInstance", "rds:ModifyDBCluster", "rds:ModifyDBInstance"]
      Resource  = local.replicas
      Condition = { Null = { "aws:ResourceTag/lastgood:replica" = "false" } }
    },
    {
      # A change may name groups as well; what it changes is the replica alone.
      Sid      = "UseGroups", Effect = "Allow"
      Action   = ["rds:ModifyDBCluster", "rds:ModifyDBInstance"]
      Resource = local.restore_groups
    },
  ] : statement if length(local.drill_regions) > 0]

  # A restore for real: beside what is there, never over it, and never deleting.
  restore_beside = [for statement in [
    {
      Sid      = "RestoreBeside", Effect = "Allow"
      Action   = ["rds:AddTagsToResource", "rds:CreateDBInstance", "rds:ModifyDBCluster", "rds:ModifyDBInstance", "rds:RestoreDBClusterFromSnapshot", "rds:RestoreDBClusterToPointInTime", "rds:RestoreDBInstanceFromDBSnapshot", "rds:RestoreDBInstanceToPointInTime"]
      Resource = ["*"]
    },
  ] : statement if length(local.rds) > 0]

  # Letting go: records, exports and snapshots of ours, here and where copies are.
  let_go = [for statement in [
    {
      Sid      = "LetGoOfExports", Effect = "Allow"
      Action   = ["s3:DeleteObject"]
      Resource = flatten([for below in concat([local.vault_below], local.copy_below) : ["${below}/exports/*", "${below}/catalog/v1/assets/*"]])
    },
    {
      Sid       = "LetGoOfSnapshots", Effect = "Allow"
      Action    = ["rds:DeleteDBClusterSnapshot", "rds:DeleteDBSnapshot"]
      Resource  = local.our_snapshots
      Condition = { Null = { "aws:ResourceTag/lastgood:backup" = "false" } }
    },
  ] : statement if statement.Sid != "LetGoOfSnapshots" || length(local.rds) > 0]

  # What no function may ever do, whatever is added to its role by mistake.
  never = [
    {
      Sid      = "NeverWeakenTheVault", Effect = "Deny"
      Action   = ["s3:BypassGovernanceRetention", "s3:DeleteBucket*", "s3:DeleteObjectVersion", "s3:PutBucket*", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration", "s3:PutObjectLegalHold", "s3:PutObjectRetention"]
      Resource = ["*"]
    },
    {
      Sid      = "NeverWeakenTheKeys", Effect = "Deny"
      Action   = ["kms:DeleteAlias", "kms:DisableKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:UpdateAlias"]
      Resource = ["*"]
    },
  ]
  never_delete_databases = [
    { Sid = "NeverDeleteDatabases", Effect = "Deny", Action = ["rds:DeleteDBCluster", "rds:DeleteDBInstance", "rds:DeleteDBInstanceAutomatedBackup", "rds:DeleteGlobalCluster"], Resource = ["*"] },
  ]
  never_delete_records = [
    { Sid = "NeverDeleteRecords", Effect = "Deny", Action = ["s3:DeleteObject"], Resource = ["${local.vault_below}/catalog/*"] },
  ]
  never_write_backups = [
    { Sid = "NeverWriteBackups", Effect = "Deny", Action = ["s3:DeleteObject", "s3:PutObject"], Resource = flatten([for below in concat([local.vault_below], local.copy_below) : ["${below}/exports/*", "${below}/catalog/v1/assets/*/backups/*"]]) },
  ]
  # A drill cannot touch production, even if somebody gives an instance of it a replica's name or tag.
  never_touch_production = [for statement in [
    {
      Sid       = "NeverTouchProduction", Effect = "Deny"
      NotAction = ["rds:DescribeDBClusters", "rds:DescribeDBInstances", "rds:ListTagsForResource"]
      Resource  = local.production
    },
    {
      Sid       = "NeverTouchWhatIsNoReplica", Effect = "Deny"
      Action    = ["rds:Delete*", "rds:Modify*", "rds:Promote*", "rds:Reboot*", "rds:Start*", "rds:Stop*"]
      Resource  = [for kind in ["db", "cluster", "snapshot", "cluster-snapshot"] : "arn:${local.partition}:rds:*:${local.account}:${kind}:*"]
      Condition = { Null = { "aws:ResourceTag/lastgood:replica" = "true" } }
    },
    {
      Sid      = "NeverShareSnapshots", Effect = "Deny"
      Action   = ["rds:CopyDB*", "rds:DeleteDBClusterSnapshot", "rds:DeleteDBSnapshot", "rds:ModifyDBClusterSnapshotAttribute", "rds:ModifyDBSnapshotAttribute"]
      Resource = ["*"]
    },
  ] : statement if statement.Sid != "NeverTouchProduction" || length(local.production) > 0]

  # Copies in other vaults.
  store_copies = [for statement in [
    {
      Sid      = "StoreCopies", Effect = "Allow"
      Action   = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
      Resource = [for below in local.copy_below : "${below}/exports/*"]
    },
    { Sid = "KeepCopiesRecords", Effect = "Allow", Action = ["s3:PutObject", "s3:GetObject"], Resource = [for below in local.copy_below : "${below}/catalog/*"] },
    { Sid = "ListCopies", Effect = "Allow", Action = ["s3:ListBucket", "s3:ListBucketMultipartUploads"], Resource = local.copy_arns },
    { Sid = "ForgetProgress", Effect = "Allow", Action = ["s3:DeleteObject"], Resource = ["${local.vault_below}/catalog/v1/assets/*/copying/*"] },
  ] : statement if length(local.copy_vaults) > 0]
  read_copies = [for statement in [
    { Sid = "ReadCopiesRecords", Effect = "Allow", Action = ["s3:GetObject"], Resource = [for below in local.copy_below : "${below}/catalog/*"] },
    { Sid = "SeeCopies", Effect = "Allow", Action = ["s3:ListBucket"], Resource = local.copy_arns },
  ] : statement if length(local.copy_vaults) > 0]
  read_copied_exports = [for statement in [
    { Sid = "ReadCopiedExports", Effect = "Allow", Action = ["s3:GetObject"], Resource = [for below in local.copy_below : "${below}/exports/*"] },
  ] : statement if length(local.copy_vaults) > 0]

  # The checker's report.
  report = [
    {
      Sid      = "Report", Effect = "Allow"
      Action   = ["s3:PutObject"]
      Resource = ["${local.vault_below}/status/*", "${local.vault_below}/catalog/v1/told.json", "${local.vault_below}/catalog/v1/heartbeats/freshness-checker.json"]
    },
  ]

  # The checker tells what it found; every function tells of an event that it does not believe.
  tell = [
    { Sid = "TellTheTopic", Effect = "Allow", Action = ["sns:Publish"], Resource = local.topics },
    {
      Sid       = "UseVaultKeyThroughSns", Effect = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = [module.vault.key_arn]
      Condition = { StringEquals = { "kms:ViaService" = "sns.${local.region}.amazonaws.com" } }
    },
  ]
  topics = distinct(concat([local.topic_arn], [for channel in try(local.config.notify, []) : channel.topic if startswith(try(channel.topic, ""), "arn:")]))

  # Only the secrets that the config names, and only for whom it names them.
  read_secrets = {
    for whose, secrets in local.secrets : whose => [for statement in [
      { Sid = "ReadSecretsOf${title(whose)}", Effect = "Allow", Action = ["secretsmanager:GetSecretValue"], Resource = secrets },
      {
        Sid       = "OpenSecretsOf${title(whose)}", Effect = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = var.secret_keys
        Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${local.region}.amazonaws.com" } }
      },
    ] : statement if length(secrets) > 0 && (startswith(statement.Sid, "Read") || length(var.secret_keys) > 0)]
  }
}
