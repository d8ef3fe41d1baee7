# What lastgood.yaml asks for, as the rest of the module needs it. Nothing about backups is said anywhere else.

data "google_project" "here" {
  project_id = var.project
}

locals {
  text   = file(var.config)
  config = yamldecode(local.text)
  assets = local.config.assets

  # The vault and every vault that copies go to, as bucket and prefix.
  vault = regex("^gs://(?P<bucket>[^/]+)/?(?P<prefix>.*?)/?$", local.config.vault)
  copy_vaults = {
    for place in distinct(flatten([for asset in local.assets : [for copy in try(asset.copies, []) : copy.vault if can(copy.vault)]])) :
    place => regex("^gs://(?P<bucket>[^/]+)/?(?P<prefix>.*?)/?$", place) if startswith(place, "gs://")
  }
  copy_buckets = distinct([for vault in local.copy_vaults : vault.bucket if vault.bucket != local.vault.bucket])
  config_key   = join("/", compact([local.vault.prefix, "lastgood.yaml"]))

  sql          = { for name, asset in local.assets : name => asset if asset.kind == "cloudsql" }
  sql_projects = distinct([for asset in local.sql : asset.project])
  # Names that IAM compares: two assets may be of one instance.
  instances = { for name, asset in local.sql : name => "projects/${asset.project}/instances/${asset.instance}" }

  volumes         = { for name, asset in local.assets : name => asset if asset.kind == "volume" && try(asset.provider, "") == "gcp" }
  volume_projects = distinct([for asset in local.volumes : try(asset.project, var.project)])
  caches          = { for name, asset in local.assets : name => asset if asset.kind == "redis" && try(asset.provider, "") == "gcp" }
  cached          = { for name, asset in local.caches : name => asset if can(asset.export.schedule) }
  cache_projects  = distinct([for asset in local.caches : try(asset.project, var.project)])
  secret_projects = distinct([for asset in local.assets : asset.project if asset.kind == "secrets" && try(asset.provider, "") == "gcp"])

  drills     = { for name, asset in local.assets : name => asset.drill if can(asset.drill) }
  sql_drills = { for name, asset in local.sql : name => asset if can(asset.drill.into.cloudsql) }

  # Buckets that are assets themselves.
  protected = distinct([for asset in local.assets : split("/", asset.url)[2] if asset.kind == "bucket" && startswith(try(asset.url, ""), "gs://")])

  # One job for each heavy asset; the light functions look at all assets themselves.
  exports   = { for name, asset in local.assets : name => asset.export.schedule if can(asset.export.schedule) }
  snapshots = { for name, asset in local.assets : name => asset.snapshot.schedule if can(asset.snapshot.schedule) }
  # Exports that Cloud SQL writes itself.
  offloaded = { for name, asset in local.sql : name => asset if try(asset.export.offload, false) }
  # The bucket that Cloud SQL and Memorystore write through, and the folder there, by asset.
  through = {
    for name, asset in merge(local.offloaded, local.cached) : name => merge(
      regex("^gs://(?P<bucket>[^/]+)/?(?P<prefix>.*?)/?$", try(asset.export.through, local.config.vault)),
      { folder = "${contains(keys(local.cached), name) ? "memorystore" : "offload"}/${name}/" },
    )
  }

  # Who reads which secret: `secret:gcp:NAME[#field]`, a bare name or one with its project.
  references = {
    sources   = [for asset in local.assets : try(asset.url, "")]
    drills    = [for drill in local.drills : try(drill.into.server, "")]
    keys      = [try(local.config.encryption.decrypt_with, ""), try(local.config.encryption.passphrase, "")]
    evidence  = [try(local.config.evidence.sign, "")]
    wal       = [for asset in local.assets : try(asset.url, "") if can(asset.wal)]
    heartbeat = [try(local.config.heartbeat.url, "")]
    notify = flatten([for channel in try(local.config.notify, []) :
    [try(channel.url, ""), try(channel.signing_key, ""), try(channel.routing_key, ""), try(channel.password, "")]])
  }
  secrets = {
    for whose, references in local.references : whose => distinct([
      for name in [for reference in references : regex("^secret:gcp:([^#]+)", reference)[0] if startswith(reference, "secret:gcp:")] :
      startswith(name, "projects/") ? join("/", slice(split("/", name), 0, 4)) : "projects/${var.project}/secrets/${name}"
    ])
  }
  # Topics that the functions tell, and the project whose charts they draw.
  told_topics = distinct([for channel in try(local.config.notify, []) : channel.topic if try(channel.kind, "") == "pubsub"])
  monitored   = try(local.config.metrics.cloud_monitoring.project, null)
}

# What the module cannot serve is said before anything is made.
check "config" {
  assert {
    condition     = local.monitored == var.project
    error_message = "Write `metrics: { cloud_monitoring: { project: ${var.project} } }` into lastgood.yaml: the alert policies look at those numbers, and without them every one of them goes off."
  }
  assert {
    condition     = alltrue([for schedule in concat(values(local.exports), values(local.snapshots)) : !can(regex("[LW#]", upper(replace(schedule, "/(?i)jul|wed/", ""))))])
    error_message = "Cloud Scheduler does not know L, W and # in a schedule: write days as numbers."
  }
}
