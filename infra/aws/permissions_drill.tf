# What only the drill, the pruner, the checker and the operator may do, and who reads which secret.

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

  # What AWS Backup restored to be tested: it is looked up, given a password, asked, and AWS Backup is told. Nothing of it is removed.
  tested = flatten([for region in distinct([for name in local.restore_tests : local.assets[name].region]) : [
    "arn:${local.partition}:rds:${region}:${local.account}:db:awsbackup-restore-test-*",
    "arn:${local.partition}:rds:${region}:${local.account}:cluster:awsbackup-restore-test-*",
  ]])
  test_restores = [for statement in [
    { Sid = "SeeRestoreTests", Effect = "Allow", Action = ["backup:DescribeRestoreJob", "backup:ListRestoreJobs"], Resource = ["*"] },
    { Sid = "JudgeRestoreTests", Effect = "Allow", Action = ["backup:PutRestoreValidationResult"], Resource = ["*"] },
    { Sid = "OpenRestoreTests", Effect = "Allow", Action = ["rds:ModifyDBCluster", "rds:ModifyDBInstance"], Resource = local.tested },
  ] : statement if length(local.restore_tests) > 0]

  # A restore to a moment names its source, and reads it: what is made must be a replica.
  make_replicas_of_moments = [for statement in [
    {
      Sid       = "MakeReplicasOfMoments", Effect = "Allow"
      Action    = ["rds:RestoreDBClusterToPointInTime", "rds:RestoreDBInstanceToPointInTime"]
      Resource  = concat(local.replicas, local.production, local.continuous_backups, local.restore_groups)
      Condition = { Null = { "aws:RequestTag/lastgood:replica" = "false", "aws:RequestTag/lastgood:expires" = "false" } }
    },
  ] : statement if length(local.moment_drills) > 0]
  make_replicas_of_fleets = [for name, fleet in local.fleets : {
    Sid      = "MakeReplicasOf${replace(title(name), "-", "")}", Effect = "Allow"
    Action   = ["rds:RestoreDBClusterToPointInTime", "rds:RestoreDBInstanceToPointInTime"]
    Resource = local.fleet_bodies[name]
    Condition = { for operator, keys in {
      StringEquals = local.fleet_bears[name].StringEquals
      Null         = merge(local.fleet_bears[name].Null, { "aws:RequestTag/lastgood:replica" = "false", "aws:RequestTag/lastgood:expires" = "false" })
    } : operator => keys if length(keys) > 0 }
  } if contains(keys(local.moment_drills), name)]
  continuous_backups = flatten([for region in local.rds_regions : [
    for kind in ["auto-backup", "cluster-auto-backup"] : "arn:${local.partition}:rds:${region}:${local.account}:${kind}:*"
  ]])
  # How far they reach.
  look_at_continuous_backups = [for statement in [
    { Sid = "LookAtContinuousBackups", Effect = "Allow", Action = ["rds:DescribeDBInstanceAutomatedBackups"], Resource = ["*"] },
  ] : statement if length(local.rds) > 0]

  # A restore for real: beside what is there, never over it, and never deleting. Only what such a restore made is changed.
  restore_beside = [for statement in [
    {
      Sid       = "RestoreBeside", Effect = "Allow"
      Action    = ["rds:AddTagsToResource", "rds:CreateDBInstance", "rds:RestoreDBClusterFromSnapshot", "rds:RestoreDBClusterToPointInTime", "rds:RestoreDBInstanceFromDBSnapshot", "rds:RestoreDBInstanceToPointInTime"]
      Resource  = ["*"]
      Condition = { Null = { "aws:RequestTag/lastgood:restored" = "false" } }
    },
    {
      Sid       = "ChangeWhatWasRestored", Effect = "Allow"
      Action    = ["rds:ModifyDBCluster", "rds:ModifyDBInstance"]
      Resource  = ["*"]
      Condition = { Null = { "aws:ResourceTag/lastgood:restored" = "false" } }
    },
  ] : statement if length(local.rds) > 0]

  # Taking back what a restore of ours began and nobody wants: it bears the tag of that restore.
  take_back = [for statement in [
    {
      Sid       = "TakeBackRestores", Effect = "Allow"
      Action    = ["rds:DeleteDBCluster", "rds:DeleteDBInstance"]
      Resource  = flatten([for region in local.rds_regions : [for kind in ["db", "cluster"] : "arn:${local.partition}:rds:${region}:${local.account}:${kind}:*"]])
      Condition = { Null = { "aws:ResourceTag/lastgood:restored" = "false" } }
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

  # The checker's report.
  report = [
    {
      Sid      = "Report", Effect = "Allow"
      Action   = ["s3:PutObject"]
      Resource = ["${local.vault_below}/status/*", "${local.vault_below}/catalog/v1/told.json", "${local.vault_below}/catalog/v1/acks/*", "${local.vault_below}/catalog/v1/keys/*", "${local.vault_below}/catalog/v1/heartbeats/freshness-checker.json", "${local.vault_below}/catalog/v1/memory/freshness-checker/*"]
    },
  ]

  # How the provider keeps a database: whether its key can be used, and how many snapshots may still be taken.
  look_at_posture = [for statement in [
    { Sid = "LookAtKeys", Effect = "Allow", Action = ["kms:DescribeKey"], Resource = local.database_keys },
    { Sid = "LookAtQuotas", Effect = "Allow", Action = ["rds:DescribeAccountAttributes"], Resource = ["*"] },
  ] : statement if length(local.rds) > 0]

  # Whether the schedules are on that wake the functions.
  look_at_schedules = [
    { Sid = "LookAtSchedules", Effect = "Allow", Action = ["scheduler:GetSchedule"], Resource = ["arn:${local.partition}:scheduler:${local.region}:${local.account}:schedule/${var.name}/*"] },
  ]

  # How the buckets are kept that backups lie in, and those that are assets.
  look_at_buckets = [
    {
      Sid      = "LookAtBuckets", Effect = "Allow"
      Action   = ["s3:GetBucketAcl", "s3:GetBucketObjectLockConfiguration", "s3:GetBucketPolicyStatus", "s3:GetBucketPublicAccessBlock", "s3:GetBucketVersioning", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration"]
      Resource = distinct(concat([local.vault_arn], local.copy_arns, local.protected_buckets))
    },
  ]

  # Whether keys still open what they closed: a text of our own, in a context of our own, and nothing else of theirs.
  prove_keys = [for statement in [
    {
      Sid       = "ProveKeys", Effect = "Allow"
      Action    = ["kms:Decrypt", "kms:Encrypt"]
      Resource  = local.database_keys
      Condition = { StringEquals = { "kms:EncryptionContext:lastgood" = "proof" } }
    },
  ] : statement if length(local.rds) > 0]

  # What a run changed is told to whoever waits for it, under our own name alone.
  announce = [for statement in [
    {
      Sid       = "AnnounceChanges", Effect = "Allow"
      Action    = ["events:PutEvents"]
      Resource  = compact([local.bus_arn])
      Condition = { StringEquals = { "events:source" = "lastgood" } }
    },
  ] : statement if local.bus != null]

  # The checker tells what it found; every function tells of an event that it does not believe.
  tell = [for statement in [
    { Sid = "TellTheTopic", Effect = "Allow", Action = ["sns:Publish"], Resource = local.topics },
    {
      Sid       = "UseVaultKeyThroughSns", Effect = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = [module.vault.key_arn]
      Condition = { StringEquals = { "kms:ViaService" = "sns.${local.region}.amazonaws.com" } }
    },
    {
      Sid       = "SendLetters", Effect = "Allow"
      Action    = ["ses:SendEmail"]
      Resource  = distinct(flatten([for letter in local.letters : [for identity in [letter.domain, letter.sender] : "arn:${local.partition}:ses:${letter.region}:${local.account}:identity/${identity}"]]))
      Condition = { StringEquals = { "ses:FromAddress" = distinct([for letter in local.letters : letter.sender]) } }
    },
  ] : statement if statement.Sid != "SendLetters" || length(local.letters) > 0]
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
