# Who may do what. Each statement is one idea with a name (Sid); docs/deploy-aws.md lists them all, and a test holds the two
# together. A role is put together from them in permissions_by_role.tf.

locals {
  # Reading and keeping records. Without s3:ListBucket on the whole bucket, S3 answers 403 instead of 404 for an object that
  # is not there; the bucket holds nothing but the vault.
  read_records = [
    { Sid = "ReadConfig", Effect = "Allow", Action = ["s3:GetObject"], Resource = ["${local.vault_arn}/${local.config_key}"] },
    { Sid = "ListVault", Effect = "Allow", Action = ["s3:ListBucket"], Resource = [local.vault_arn] },
    { Sid = "ReadRecords", Effect = "Allow", Action = ["s3:GetObject"], Resource = ["${local.vault_below}/catalog/*", "${local.vault_below}/status/*"] },
  ]
  keep_records = [
    { Sid = "KeepRecords", Effect = "Allow", Action = ["s3:PutObject"], Resource = ["${local.vault_below}/catalog/*"] },
  ]

  # An upload that is given up, and what a killed run left, is removed by whoever goes on with it. The bucket is versioned:
  # a delete hides an object, and nobody's role can delete a version.
  store_exports = [
    {
      Sid      = "StoreExports", Effect = "Allow"
      Action   = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
      Resource = ["${local.vault_below}/exports/*"]
    },
    { Sid = "SeeUnfinishedUploads", Effect = "Allow", Action = ["s3:ListBucketMultipartUploads"], Resource = [local.vault_arn] },
  ]
  # `analytics`: RDS writes to the bucket as the role that the config names, never as ours.
  extract = [for statement in [
    {
      Sid      = "ExtractSnapshots", Effect = "Allow"
      Action   = ["rds:StartExportTask"]
      Resource = local.our_snapshots
    },
    { Sid = "LookAtExtracts", Effect = "Allow", Action = ["rds:DescribeExportTasks"], Resource = ["*"] },
    {
      Sid       = "HandExtractsTheirRole", Effect = "Allow"
      Action    = ["iam:PassRole"]
      Resource  = distinct([for analytics in local.analytics : analytics.role])
      Condition = { StringEquals = { "iam:PassedToService" = "export.rds.amazonaws.com" } }
    },
    {
      Sid       = "GrantExtractKeysToRds", Effect = "Allow"
      Action    = ["kms:CreateGrant", "kms:DescribeKey"]
      Resource  = distinct([for analytics in local.analytics : startswith(analytics.kms_key, "arn:") ? analytics.kms_key : "arn:${local.partition}:kms:${analytics.region}:${local.account}:key/*"])
      Condition = { StringLike = { "kms:ViaService" = "rds.*.amazonaws.com" } }
    },
  ] : statement if length(local.analytics) > 0]
  # `login: iam`: the token that such a role is shown as a password.
  log_in_by_iam = [for statement in [
    {
      Sid      = "LogInByIam", Effect = "Allow"
      Action   = ["rds-db:connect"]
      Resource = [for region in distinct([for asset in local.rds : asset.region if try(asset.login, "") == "iam"]) : "arn:${local.partition}:rds-db:${region}:${local.account}:dbuser:*/${var.database_role}"]
    },
  ] : statement if anytrue([for asset in local.rds : try(asset.login, "") == "iam"])]
  read_exports = [
    { Sid = "ReadExports", Effect = "Allow", Action = ["s3:GetObject"], Resource = ["${local.vault_below}/exports/*"] },
  ]

  # Keys are used through the service that needs them, and never on their own.
  use_vault_key = [for statement in [
    {
      Sid       = "UseVaultKeyThroughS3", Effect = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = compact([local.vault_key])
      Condition = { StringEquals = { "kms:ViaService" = "s3.${local.region}.amazonaws.com" } }
    },
  ] : statement if var.create_vault || var.vault_key != null]
  use_copy_keys = [for statement in [
    {
      Sid       = "UseCopyKeysThroughS3", Effect = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = local.copy_keys
      Condition = { StringLike = { "kms:ViaService" = "s3.*.amazonaws.com" } }
    },
  ] : statement if length(local.copy_vaults) > 0]
  use_database_keys = [for statement in [
    {
      Sid      = "UseDatabaseKeysThroughRds", Effect = "Allow"
      Action   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
      Resource = local.database_keys
      Condition = {
        StringEquals = { "kms:CallerAccount" = local.account }
        StringLike   = { "kms:ViaService" = [for region in local.rds_regions : "rds.${region}.amazonaws.com"] }
      }
    },
    {
      Sid      = "GrantDatabaseKeysToRds", Effect = "Allow"
      Action   = ["kms:CreateGrant"]
      Resource = local.database_keys
      Condition = {
        Bool       = { "kms:GrantIsForAWSResource" = "true" }
        StringLike = { "kms:ViaService" = [for region in local.rds_regions : "rds.${region}.amazonaws.com"] }
      }
    },
  ] : statement if length(local.rds) > 0]
  database_keys = concat(
    length(var.database_keys) > 0 ? var.database_keys : [for region in local.rds_regions : "arn:${local.partition}:kms:${region}:${local.account}:key/*"],
    compact([local.dr_key]),
  )

  # Snapshots that bear our names, wherever they are.
  our_snapshots = flatten([for region in local.rds_regions : [
    "arn:${local.partition}:rds:${region}:${local.account}:snapshot:lastgood-*",
    "arn:${local.partition}:rds:${region}:${local.account}:cluster-snapshot:lastgood-*",
  ]])
  tagged_as_ours = {
    StringLike = { "aws:RequestTag/lastgood:asset" = concat(keys(local.named), [for name in keys(local.fleets) : "${name}-*"]) }
    Null       = { "aws:RequestTag/lastgood:backup" = "false" }
  }

  look_at_databases = [for statement in [
    {
      Sid      = "LookAtDatabases", Effect = "Allow"
      Action   = ["rds:DescribeDBClusterParameterGroups", "rds:DescribeDBClusterSnapshots", "rds:DescribeDBClusters", "rds:DescribeDBInstances", "rds:DescribeDBParameterGroups", "rds:DescribeDBSnapshots", "rds:ListTagsForResource"]
      Resource = ["*"] # a listing has no narrower one
    },
  ] : statement if length(local.rds) > 0]
  begin_snapshots = [for statement in [
    {
      Sid       = "BeginSnapshots", Effect = "Allow"
      Action    = ["rds:CreateDBClusterSnapshot", "rds:CreateDBSnapshot"]
      Resource  = concat(local.production, local.our_snapshots)
      Condition = local.tagged_as_ours
    },
    {
      Sid       = "TagSnapshots", Effect = "Allow"
      Action    = ["rds:AddTagsToResource"]
      Resource  = local.our_snapshots
      Condition = { Null = { "aws:RequestTag/lastgood:backup" = "false" } }
    },
  ] : statement if length(local.rds) > 0]
  # Keeping what RDS took by itself: a copy within the region, under a name of ours.
  automated = [for name, asset in local.rds : asset if try(asset.snapshot.from, "source") == "automated"]
  keep_automated = [for statement in [
    {
      Sid    = "KeepAutomated", Effect = "Allow"
      Action = ["rds:CopyDBClusterSnapshot", "rds:CopyDBSnapshot"]
      Resource = concat(local.our_snapshots, distinct(flatten([for asset in local.automated : [
        for kind in ["snapshot", "cluster-snapshot"] : "arn:${local.partition}:rds:${asset.region}:${local.account}:${kind}:rds:${try(asset.instance, "")}*"
      ]])))
      Condition = local.tagged_as_ours
    },
  ] : statement if length(local.automated) > 0]
  # Of a fleet: whatever bears its tag, under a member's name.
  begin_fleets = [for name, fleet in local.fleets : {
    Sid      = "BeginSnapshotsOf${replace(title(name), "-", "")}", Effect = "Allow"
    Action   = ["rds:CreateDBClusterSnapshot", "rds:CreateDBSnapshot"]
    Resource = local.fleet_bodies[name]
    Condition = { for operator, keys in {
      StringEquals = local.fleet_bears[name].StringEquals
      StringLike   = { "aws:RequestTag/lastgood:asset" = "${name}-*" }
      Null         = merge(local.fleet_bears[name].Null, { "aws:RequestTag/lastgood:backup" = "false" })
    } : operator => keys if length(keys) > 0 }
  }]
}
