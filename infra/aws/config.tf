# What lastgood.yaml asks for, as the rest of the module needs it. Nothing about backups is said anywhere else.

data "aws_caller_identity" "here" {}
data "aws_partition" "here" {}
data "aws_region" "here" {}
data "aws_region" "dr" {
  provider = aws.dr
}

locals {
  account   = data.aws_caller_identity.here.account_id
  partition = data.aws_partition.here.partition
  region    = data.aws_region.here.name
  dr_region = data.aws_region.dr.name

  text   = file(var.config)
  config = yamldecode(local.text)
  assets = local.config.assets

  # The vault and every vault that copies go to, as bucket and prefix.
  vault = regex("^s3://(?P<bucket>[^/]+)/?(?P<prefix>.*?)/?$", local.config.vault)
  copy_vaults = {
    for place in distinct(flatten([for asset in local.assets : [for copy in try(asset.copies, []) : copy.vault if can(copy.vault)]])) :
    place => regex("^s3://(?P<bucket>[^/]+)/?(?P<prefix>.*?)/?$", place)
  }
  vault_arn   = "arn:${local.partition}:s3:::${local.vault.bucket}"
  vault_below = join("/", compact([local.vault_arn, local.vault.prefix]))
  copy_arns   = distinct([for vault in local.copy_vaults : "arn:${local.partition}:s3:::${vault.bucket}"])
  copy_below  = [for vault in local.copy_vaults : join("/", compact(["arn:${local.partition}:s3:::${vault.bucket}", vault.prefix]))]
  config_key  = join("/", compact([local.vault.prefix, "lastgood.yaml"]))

  # Copies of snapshots in other regions and accounts, and the regions that snapshots are in at all.
  region_copies    = flatten([for asset in local.assets : [for copy in try(asset.copies, []) : copy if can(copy.region)]])
  copies_here      = [for copy in local.region_copies : copy if try(copy.account, local.account) == local.account]
  rds_copies       = flatten([for asset in local.rds : try(asset.copies, [])])
  foreign_accounts = distinct([for copy in local.region_copies : copy.account if try(copy.account, local.account) != local.account])
  dr_key_alias     = try([for copy in local.copies_here : copy.kms_key if copy.region == local.dr_region && startswith(try(copy.kms_key, ""), "alias/")][0], null)

  rds         = { for name, asset in local.assets : name => asset if asset.kind == "rds" }
  rds_regions = distinct(concat([for asset in local.rds : asset.region], [for copy in local.rds_copies : copy.region if can(copy.region) && try(copy.account, local.account) == local.account]))
  # A fleet names a tag instead of an instance; its members are assets called `<fleet>-<identifier>`.
  fleets = { for name, asset in local.rds : name => asset if can(asset.select) }
  named  = { for name, asset in local.rds : name => asset if !can(asset.select) }
  fleet_tags = {
    for name, fleet in local.fleets : name => {
      key   = split("=", fleet.select.tag)[0]
      value = try(join("=", slice(split("=", fleet.select.tag), 1, length(split("=", fleet.select.tag)))), null)
      any   = length(split("=", fleet.select.tag)) == 1
    }
  }
  # What says that something bears a fleet's tag.
  fleet_bears = {
    for name, tag in local.fleet_tags : name => {
      StringEquals = { for key in tag.any ? [] : [tag.key] : "aws:ResourceTag/${key}" => tag.value }
      Null         = { for key in tag.any ? [tag.key] : [] : "aws:ResourceTag/${key}" => "false" }
    }
  }
  fleet_bodies = {
    for name, fleet in local.fleets : name => [for kind in ["db", "cluster"] : "arn:${local.partition}:rds:${fleet.region}:${local.account}:${kind}:*"]
  }

  # Whether a name is an instance's or a cluster's is found out by the functions, so both are meant. Where the config names a
  # member of a cluster, its snapshots are of the cluster: `clusters` names it.
  production = concat(
    flatten([for asset in local.named : [
      for kind in ["db", "cluster"] : "arn:${local.partition}:rds:${asset.region}:${local.account}:${kind}:${asset.instance}"
    ]]),
    [for cluster in var.clusters : "arn:${local.partition}:rds:${local.region}:${local.account}:cluster:${cluster}"],
  )

  drills = { for name, asset in local.assets : name => asset.drill if can(asset.drill) }
  # Drills of a moment out of RDS's own continuous backups.
  moment_drills = { for name, drill in local.drills : name => drill.point_in_time if can(drill.point_in_time) }
  # Drills that ask what AWS Backup restores to be tested, too.
  restore_tests = [for name, drill in local.drills : name if try(drill.restore_tests, false)]
  rds_drills    = { for name, drill in local.drills : name => drill.into.rds if can(drill.into.rds.subnet_group) }

  # Buckets that are assets themselves.
  protected_buckets = distinct([for asset in local.assets : "arn:${local.partition}:s3:::${split("/", asset.url)[2]}" if asset.kind == "bucket" && startswith(try(asset.url, ""), "s3://")])

  # Where our own events go: a bus of this account and region by its name, or any by its ARN.
  bus      = try(local.config.events.bus, null)
  bus_arn  = local.bus == null ? null : startswith(local.bus, "arn:") ? local.bus : "arn:${local.partition}:events:${local.region}:${local.account}:event-bus/${local.bus}"
  bus_here = try(regex("^arn:${local.partition}:events:${local.region}:${local.account}:event-bus/(.+)$", local.bus_arn)[0], "default")
  # Volumes that EBS keeps, and caches that ElastiCache does. What is attached to a machine changes: its volumes have no names here.
  volumes        = { for name, asset in local.assets : name => asset if asset.kind == "volume" && try(asset.provider, "") == "aws" }
  volume_copies  = flatten([for asset in local.volumes : [for copy in try(asset.copies, []) : copy if can(copy.region)]])
  volume_regions = distinct(concat([for asset in local.volumes : asset.region], [for copy in local.volume_copies : copy.region if try(copy.account, local.account) == local.account]))
  caches         = { for name, asset in local.assets : name => asset if asset.kind == "redis" && try(asset.provider, "") == "aws" }
  secret_sets    = { for name, asset in local.assets : name => asset if asset.kind == "secrets" && try(asset.provider, "") == "aws" }
  cache_regions  = distinct([for asset in local.caches : asset.region])

  ebs_drills = { for name, drill in local.drills : name => drill.into.ebs if can(drill.into.ebs.zone) }

  # One schedule for each heavy asset; the light functions look at all assets themselves.
  exports = { for name, asset in local.assets : name => asset.export.schedule if can(asset.export.schedule) }

  # Extracts for analysts: no backups.
  analytics = { for name, asset in local.rds : name => merge(asset.analytics, { region = asset.region }) if can(asset.analytics.schedule) }

  # Who sends letters by SES: the domain of each sender, in the channel's region.
  letters = [for channel in try(local.config.notify, []) : {
    domain = split("@", trimsuffix(trimspace(channel.from), ">"))[1]
    sender = regex("[^<> ]+@[^<> ]+", channel.from)
    region = try(channel.region, local.region)
  } if try(channel.kind, "") == "ses"]

  # Who reads which secret: `secret:aws:NAME[#field]`, a name or an ARN.
  references = {
    sources  = [for asset in local.assets : try(asset.url, "")]
    drills   = [for drill in local.drills : try(drill.into.server, "")]
    keys     = [try(local.config.encryption.decrypt_with, ""), try(local.config.encryption.passphrase, "")]
    evidence = [try(local.config.evidence.sign, "")]
    # The checker alone asks a server about its WAL, and alone gives the sign of life outside.
    wal       = [for asset in local.assets : try(asset.url, "") if can(asset.wal)]
    heartbeat = [try(local.config.heartbeat.url, "")]
    notify = flatten([for channel in try(local.config.notify, []) :
    [try(channel.url, ""), try(channel.signing_key, ""), try(channel.routing_key, ""), try(channel.password, "")]])
  }
  secrets = {
    for whose, references in local.references : whose => distinct([
      for name in [for reference in references : regex("^secret:aws:([^#]+)", reference)[0] if startswith(reference, "secret:aws:")] :
      startswith(name, "arn:") ? name : "arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:${name}-??????"
    ])
  }
}

# What the module cannot serve is said before anything is made.
check "config" {
  assert {
    condition     = alltrue([for region in local.rds_regions : contains([local.region, local.dr_region], region)])
    error_message = "The config names regions (${join(", ", local.rds_regions)}) that are neither the provider's (${local.region}) nor aws.dr's (${local.dr_region}): apply the module once more for them, or widen it."
  }
  assert {
    condition     = alltrue([for drill in local.rds_drills : drill.subnet_group == local.drill_subnet_group])
    error_message = "A drill's subnet_group is not ${local.drill_subnet_group}, which this module makes: write what the output drill_into says into lastgood.yaml and apply again."
  }
}
