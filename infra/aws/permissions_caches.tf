# What caches of ElastiCache take: snapshots of what the config names, under names of ours and with our tags.

locals {
  # Whether a name is a replication group's or a cache cluster's is found out by the functions, so both are meant, and the nodes of
  # a group, which bear its name.
  sources_of_caches = flatten([for asset in local.caches : [
    for thing in ["replicationgroup:${asset.instance}", "cluster:${asset.instance}", "cluster:${asset.instance}-*"] : "arn:${local.partition}:elasticache:${asset.region}:${local.account}:${thing}"
  ]])
  cache_snapshots = [for region in local.cache_regions : "arn:${local.partition}:elasticache:${region}:${local.account}:snapshot:lastgood-*"]

  look_at_caches = [for statement in [
    {
      Sid      = "LookAtCaches", Effect = "Allow"
      Action   = ["elasticache:DescribeCacheClusters", "elasticache:DescribeReplicationGroups", "elasticache:DescribeSnapshots", "elasticache:ListTagsForResource"]
      Resource = ["*"] # a listing has no narrower one
    },
  ] : statement if length(local.caches) > 0]

  begin_cache_snapshots = [for statement in [
    { Sid = "SnapshotCaches", Effect = "Allow", Action = ["elasticache:CreateSnapshot"], Resource = local.sources_of_caches },
    {
      Sid      = "MakeCacheSnapshots", Effect = "Allow"
      Action   = ["elasticache:AddTagsToResource", "elasticache:CreateSnapshot"]
      Resource = local.cache_snapshots
      Condition = {
        StringEquals = { "aws:RequestTag/lastgood:asset" = keys(local.caches) }
        Null         = { "aws:RequestTag/lastgood:backup" = "false" }
      }
    },
  ] : statement if length(local.caches) > 0]

  let_go_of_caches = [for statement in [
    {
      Sid       = "LetGoOfCacheSnapshots", Effect = "Allow"
      Action    = ["elasticache:DeleteSnapshot"]
      Resource  = local.cache_snapshots
      Condition = { Null = { "aws:ResourceTag/lastgood:backup" = "false" } }
    },
  ] : statement if length(local.caches) > 0]
}
