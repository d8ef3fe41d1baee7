# What is denied: whatever is added to a role by mistake, this wins.

locals {
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
  # An operator takes back a restore, and nothing else: not what bears no tag of one, and not production whatever it bears.
  never_delete_others = [for statement in [
    {
      Sid       = "NeverDeleteWhatWasNotRestored", Effect = "Deny"
      Action    = ["rds:DeleteDBCluster", "rds:DeleteDBInstance"]
      Resource  = ["*"]
      Condition = { Null = { "aws:ResourceTag/lastgood:restored" = "true" } }
    },
    {
      Sid      = "NeverDeleteOrTagProduction", Effect = "Deny"
      Action   = ["rds:AddTagsToResource", "rds:DeleteDBCluster", "rds:DeleteDBInstance", "rds:RemoveTagsFromResource"]
      Resource = local.production
    },
    { Sid = "NeverDeleteTheirBackups", Effect = "Deny", Action = ["rds:DeleteDBInstanceAutomatedBackup", "rds:DeleteGlobalCluster"], Resource = ["*"] },
  ] : statement if statement.Sid != "NeverDeleteOrTagProduction" || length(local.production) > 0]
  never_delete_records = [
    { Sid = "NeverDeleteRecords", Effect = "Deny", Action = ["s3:DeleteObject"], Resource = ["${local.vault_below}/catalog/*"] },
  ]
  never_write_backups = [
    { Sid = "NeverWriteBackups", Effect = "Deny", Action = ["s3:DeleteObject", "s3:PutObject"], Resource = flatten([for below in concat([local.vault_below], local.copy_below) : ["${below}/exports/*", "${below}/catalog/v1/assets/*/backups/*", "${below}/catalog/v1/memory/snapshot-trigger/*", "${below}/catalog/v1/fleets/*"]]) },
  ]
  # A drill cannot touch production, but for reading its continuous backups into a replica, even if somebody gives an instance of it a replica's name or tag.
  never_touch_production = [for statement in [
    {
      Sid       = "NeverTouchProduction", Effect = "Deny"
      NotAction = ["rds:DescribeDBClusters", "rds:DescribeDBInstances", "rds:ListTagsForResource", "rds:RestoreDBClusterToPointInTime", "rds:RestoreDBInstanceToPointInTime"]
      Resource  = local.production
    },
    {
      Sid       = "NeverTouchWhatIsNoReplica", Effect = "Deny"
      Action    = ["rds:Delete*", "rds:Promote*", "rds:Reboot*", "rds:Start*", "rds:Stop*"]
      Resource  = [for kind in ["db", "cluster", "snapshot", "cluster-snapshot"] : "arn:${local.partition}:rds:*:${local.account}:${kind}:*"]
      Condition = { Null = { "aws:ResourceTag/lastgood:replica" = "true" } }
    },
    {
      Sid      = "NeverShareSnapshots", Effect = "Deny"
      Action   = ["rds:CopyDB*", "rds:DeleteDBClusterSnapshot", "rds:DeleteDBSnapshot", "rds:ModifyDBClusterSnapshotAttribute", "rds:ModifyDBSnapshotAttribute"]
      Resource = ["*"]
    },
  ] : statement if statement.Sid != "NeverTouchProduction" || length(local.production) > 0]
  # Nor is anything changed that is neither a replica nor what AWS Backup restored to be tested; a change may name groups as well.
  never_change_others = [
    {
      Sid         = "NeverChangeWhatIsNoReplica", Effect = "Deny"
      Action      = ["rds:Modify*"]
      NotResource = concat(local.tested, [for kind in ["subgrp", "pg", "cluster-pg", "og"] : "arn:${local.partition}:rds:*:${local.account}:${kind}:*"])
      Condition   = { Null = { "aws:ResourceTag/lastgood:replica" = "true" } }
    },
  ]
  # Nor what bears a fleet's tag: a replica is made with our tags alone.
  never_touch_fleets = [for name, fleet in local.fleets : {
    Sid       = "NeverTouch${replace(title(name), "-", "")}", Effect = "Deny"
    NotAction = ["rds:Describe*", "rds:ListTagsForResource", "rds:RestoreDB*ToPointInTime"]
    Resource  = local.fleet_bodies[name]
    Condition = { for operator, keys in local.fleet_bears[name] : operator => keys if length(keys) > 0 }
  }]
}
