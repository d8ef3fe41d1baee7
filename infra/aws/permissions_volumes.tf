# What volumes of EBS take. EC2 asks for rights thing by thing: of the volume that exists, and of the snapshot that comes to be,
# which alone knows the tags of the request. Snapshots belong to no account in their names.

locals {
  # A machine's volumes have no names in the config: whatever is attached to it is meant.
  named_volumes = flatten([for asset in local.volumes : can(asset.volume) ? ["arn:${local.partition}:ec2:${asset.region}:${local.account}:volume/${asset.volume}"] : []])
  sources_of_volumes = concat(local.named_volumes, flatten([for asset in local.volumes : can(asset.instance) ? [
    "arn:${local.partition}:ec2:${asset.region}:${local.account}:instance/${asset.instance}", "arn:${local.partition}:ec2:${asset.region}:${local.account}:volume/*",
  ] : []]))
  volume_snapshots = [for region in local.volume_regions : "arn:${local.partition}:ec2:${region}::snapshot/*"]
  all_volumes      = [for region in local.volume_regions : "arn:${local.partition}:ec2:${region}:${local.account}:volume/*"]
  volume_keys      = [for region in local.volume_regions : "arn:${local.partition}:kms:${region}:${local.account}:key/*"]
  through_ec2      = flatten([for region in local.volume_regions : ["ebs.${region}.amazonaws.com", "ec2.${region}.amazonaws.com"]])
  tagged_as_volume = {
    StringEquals = { "aws:RequestTag/lastgood:asset" = keys(local.volumes) }
    Null         = { "aws:RequestTag/lastgood:backup" = "false" }
  }
  tagged_as_replica = { Null = { "aws:RequestTag/lastgood:replica" = "false", "aws:RequestTag/lastgood:expires" = "false" } }

  look_at_volumes = [for statement in [
    { Sid = "LookAtVolumes", Effect = "Allow", Action = ["ec2:DescribeSnapshots", "ec2:DescribeVolumes"], Resource = ["*"] }, # a listing has no narrower one
  ] : statement if length(local.volumes) > 0]

  begin_volume_snapshots = [for statement in [
    { Sid = "SnapshotVolumes", Effect = "Allow", Action = ["ec2:CreateSnapshot", "ec2:CreateSnapshots"], Resource = local.sources_of_volumes },
    { Sid = "MakeVolumeSnapshots", Effect = "Allow", Action = ["ec2:CreateSnapshot", "ec2:CreateSnapshots"], Resource = local.volume_snapshots, Condition = local.tagged_as_volume },
    {
      Sid       = "TagVolumeSnapshots", Effect = "Allow"
      Action    = ["ec2:CreateTags"]
      Resource  = local.volume_snapshots
      Condition = { StringEquals = { "ec2:CreateAction" = ["CreateSnapshot", "CreateSnapshots"] } }
    },
  ] : statement if length(local.volumes) > 0]

  copy_volume_snapshots = [for statement in [
    { Sid = "CopyVolumeSnapshots", Effect = "Allow", Action = ["ec2:CopySnapshot"], Resource = local.volume_snapshots, Condition = local.tagged_as_volume },
    {
      # The source's side of a copy to another region is asked for by a signed address, which carries no tags.
      Sid       = "CopyVolumeSnapshotsFrom", Effect = "Allow"
      Action    = ["ec2:CopySnapshot"]
      Resource  = local.volume_snapshots
      Condition = { Null = { "aws:ResourceTag/lastgood:backup" = "false" } }
    },
    {
      Sid       = "TagVolumeCopies", Effect = "Allow"
      Action    = ["ec2:CreateTags"]
      Resource  = local.volume_snapshots
      Condition = { StringEquals = { "ec2:CreateAction" = "CopySnapshot" } }
    },
  ] : statement if length(local.volume_copies) > 0]
  share_volume_snapshots = [for statement in [
    {
      Sid       = "ShareVolumeSnapshots", Effect = "Allow"
      Action    = ["ec2:ModifySnapshotAttribute"]
      Resource  = local.volume_snapshots
      Condition = { Null = { "aws:ResourceTag/lastgood:backup" = "false" } }
    },
  ] : statement if anytrue([for copy in local.volume_copies : try(copy.account, local.account) != local.account])]
  # A copy that ended in error is removed, so that it can be begun again: only a copy, never an original.
  clear_volume_copies = [for statement in [
    {
      Sid       = "ClearBrokenVolumeCopies", Effect = "Allow"
      Action    = ["ec2:DeleteSnapshot"]
      Resource  = local.volume_snapshots
      Condition = { Null = { "aws:ResourceTag/lastgood:backup" = "false", "aws:ResourceTag/lastgood:data-time" = "false" } }
    },
  ] : statement if length(local.volume_copies) > 0]

  let_go_of_volumes = [for statement in [
    {
      Sid       = "LetGoOfVolumeSnapshots", Effect = "Allow"
      Action    = ["ec2:DeleteSnapshot"]
      Resource  = local.volume_snapshots
      Condition = { Null = { "aws:ResourceTag/lastgood:backup" = "false" } }
    },
  ] : statement if length(local.volumes) > 0]

  use_volume_keys = [for statement in [
    {
      Sid      = "UseVolumeKeysThroughEc2", Effect = "Allow"
      Action   = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
      Resource = local.volume_keys
      Condition = {
        StringEquals = { "kms:CallerAccount" = local.account }
        StringLike   = { "kms:ViaService" = local.through_ec2 }
      }
    },
    {
      Sid       = "GrantVolumeKeysToEc2", Effect = "Allow"
      Action    = ["kms:CreateGrant"]
      Resource  = local.volume_keys
      Condition = { Bool = { "kms:GrantIsForAWSResource" = "true" }, StringLike = { "kms:ViaService" = local.through_ec2 } }
    },
  ] : statement if length(local.volumes) > 0]

  # A drill makes volumes of our snapshots, tagged as replicas, reads the snapshots' blocks, and removes what bears that tag.
  make_volumes = [for statement in [
    { Sid = "MakeReplicaVolumes", Effect = "Allow", Action = ["ec2:CreateVolume"], Resource = local.all_volumes, Condition = local.tagged_as_replica },
    {
      Sid       = "MakeVolumesOfOurSnapshots", Effect = "Allow"
      Action    = ["ec2:CreateVolume"]
      Resource  = local.volume_snapshots
      Condition = { Null = { "aws:ResourceTag/lastgood:backup" = "false" } }
    },
    { Sid = "TagReplicaVolumes", Effect = "Allow", Action = ["ec2:CreateTags"], Resource = local.all_volumes, Condition = { StringEquals = { "ec2:CreateAction" = "CreateVolume" } } },
    {
      Sid       = "RemoveReplicaVolumes", Effect = "Allow"
      Action    = ["ec2:DeleteVolume"]
      Resource  = local.all_volumes
      Condition = { Null = { "aws:ResourceTag/lastgood:replica" = "false" } }
    },
    {
      Sid       = "ReadBlocksOfOurSnapshots", Effect = "Allow"
      Action    = ["ebs:GetSnapshotBlock", "ebs:ListSnapshotBlocks"]
      Resource  = local.volume_snapshots
      Condition = { Null = { "aws:ResourceTag/lastgood:backup" = "false" } }
    },
  ] : statement if length(local.ebs_drills) > 0]

  # A drill attaches nothing, and no volume of the config is ever removed, whatever tags somebody gives it.
  never_touch_volumes = [for statement in [
    { Sid = "NeverTouchVolumes", Effect = "Deny", Action = ["ec2:AttachVolume", "ec2:DeleteSnapshot", "ec2:DetachVolume", "ec2:ModifySnapshotAttribute", "ec2:ModifyVolume"], Resource = ["*"] },
    { Sid = "NeverDeleteProductionVolumes", Effect = "Deny", Action = ["ec2:DeleteVolume"], Resource = local.named_volumes },
  ] : statement if length(local.volumes) > 0 && (statement.Sid != "NeverDeleteProductionVolumes" || length(local.named_volumes) > 0)]

  # A restore for real: new volumes beside the old ones. People attach them.
  restore_volumes = [for statement in [
    { Sid = "RestoreVolumesBeside", Effect = "Allow", Action = ["ec2:CreateVolume"], Resource = concat(local.all_volumes, local.volume_snapshots) },
    { Sid = "TagRestoredVolumes", Effect = "Allow", Action = ["ec2:CreateTags"], Resource = local.all_volumes, Condition = { StringEquals = { "ec2:CreateAction" = "CreateVolume" } } },
  ] : statement if length(local.volumes) > 0]

  # Whether the keys of volumes and caches can be used, and still open what they closed: as with databases' keys.
  other_keys = [for region in distinct(concat(local.volume_regions, local.cache_regions)) : "arn:${local.partition}:kms:${region}:${local.account}:key/*"]
  look_at_other_keys = [for statement in [
    { Sid = "LookAtOtherKeys", Effect = "Allow", Action = ["kms:DescribeKey"], Resource = local.other_keys },
    {
      Sid       = "ProveOtherKeys", Effect = "Allow"
      Action    = ["kms:Decrypt", "kms:Encrypt"]
      Resource  = local.other_keys
      Condition = { StringEquals = { "kms:EncryptionContext:lastgood" = "proof" } }
    },
  ] : statement if length(local.volumes) + length(local.caches) > 0]
}
