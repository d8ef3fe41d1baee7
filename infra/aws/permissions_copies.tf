# What copying takes: snapshots to other regions and accounts, exports to other vaults, and reading them there.

locals {
  copy_snapshots = [for statement in [
    {
      Sid       = "CopySnapshots", Effect = "Allow"
      Action    = ["rds:CopyDBClusterSnapshot", "rds:CopyDBSnapshot"]
      Resource  = local.our_snapshots
      Condition = local.tagged_as_ours
    },
    {
      # The source's side of a copy to another region is asked for by a signed address, which carries no tags.
      Sid       = "CopySnapshotsFrom", Effect = "Allow"
      Action    = ["rds:CopyDBClusterSnapshot", "rds:CopyDBSnapshot"]
      Resource  = local.our_snapshots
      Condition = { Null = { "aws:ResourceTag/lastgood:backup" = "false" } }
    },
    {
      # A copy that RDS gave up late has the name that the next one needs. No original bears a copy's tag.
      Sid       = "ClearBrokenCopies", Effect = "Allow"
      Action    = ["rds:DeleteDBClusterSnapshot", "rds:DeleteDBSnapshot"]
      Resource  = local.our_snapshots
      Condition = { Null = { "aws:ResourceTag/lastgood:backup" = "false", "aws:ResourceTag/lastgood:data-time" = "false" } }
    },
    {
      Sid       = "TagCopies", Effect = "Allow"
      Action    = ["rds:AddTagsToResource"]
      Resource  = local.our_snapshots
      Condition = { Null = { "aws:RequestTag/lastgood:backup" = "false" } }
    },
  ] : statement if length(local.rds) > 0 && length(local.region_copies) > 0]
  share_snapshots = [for statement in [
    {
      Sid       = "ShareSnapshots", Effect = "Allow"
      Action    = ["rds:ModifyDBClusterSnapshotAttribute", "rds:ModifyDBSnapshotAttribute"]
      Resource  = local.our_snapshots
      Condition = { Null = { "aws:ResourceTag/lastgood:backup" = "false" } }
    },
  ] : statement if length(local.rds) > 0 && length(local.foreign_accounts) > 0]
  # The role that infra/aws/receiver makes in an account that holds copies of snapshots.
  act_in_other_accounts = [for statement in [
    { Sid = "ActInOtherAccounts", Effect = "Allow", Action = ["sts:AssumeRole"], Resource = [for account in local.foreign_accounts : "arn:${local.partition}:iam::${account}:role/lastgood-copies"] },
  ] : statement if length(local.foreign_accounts) > 0]

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
  read_copied_exports = concat(
    [for statement in [
      { Sid = "ReadCopiedExports", Effect = "Allow", Action = ["s3:GetObject"], Resource = [for below in local.copy_below : "${below}/exports/*"] },
    ] : statement if length(local.copy_vaults) > 0],
    [for statement in [
      { Sid = "RecallCopies", Effect = "Allow", Action = ["s3:RestoreObject"], Resource = [for below in local.copy_below : "${below}/exports/*"] },
    ] : statement if local.copies_archived]
  )
  # Whether copies lie where they must be asked for hours ahead.
  copies_archived = anytrue(flatten([
    for asset in local.assets : [for copy in try(asset.copies, []) : contains(["GLACIER", "DEEP_ARCHIVE"], try(copy.storage_class, ""))]
  ]))
}
