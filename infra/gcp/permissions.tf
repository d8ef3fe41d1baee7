# Who may do what. Each grant is one idea with a name; docs/deploy-gcp.md lists them all, and a test holds the two together. An
# account is put together from them at the end. Permissions are custom roles, because Google's own are wider: roles/cloudsql.editor
# may stop production, roles/storage.objectAdmin may delete any backup.

locals {
  # Grants in projects: permissions, and whatever IAM compares a resource's name with. Without `on` they are of the whole project.
  look_at_databases = { for project in local.sql_projects : "LookAtDatabases.${project}" => {
    grant       = "LookAtDatabases", project = project, on = []
    permissions = ["cloudsql.backupRuns.get", "cloudsql.backupRuns.list", "cloudsql.instances.get", "cloudsql.instances.list"]
  } }
  # Whether the key of a backup can still be used; a key of another project needs roles/cloudkms.viewer there.
  look_at_keys = { for project in distinct(concat(local.sql_projects, local.volume_projects)) : "LookAtKeys.${project}" => {
    grant       = "LookAtKeys", project = project, on = []
    permissions = ["cloudkms.cryptoKeys.get"]
  } }
  begin_backups = { for name, instance in local.instances : "BeginBackups.${name}" => {
    grant       = "BeginBackups", project = local.sql[name].project, on = ["resource.name == '${instance}'"]
    permissions = ["cloudsql.backupRuns.create"]
  } if contains(keys(local.snapshots), name) }
  let_go_of_backups = { for name, instance in local.instances : "LetGoOfBackups.${name}" => {
    grant       = "LetGoOfBackups", project = local.sql[name].project, on = ["resource.name == '${instance}'", "resource.name.startsWith('${instance}/backupRuns/')"]
    permissions = ["cloudsql.backupRuns.delete"]
  } if contains(keys(local.snapshots), name) }
  have_dumps_written = { for name, asset in local.offloaded : "HaveDumpsWritten.${name}" => {
    grant       = "HaveDumpsWritten", project = asset.project, on = ["resource.name == '${local.instances[name]}'"]
    permissions = ["cloudsql.instances.export", "cloudsql.instances.get"]
  } }
  # A replica bears a name of ours; so whatever a drill may change, production never is: no name in the config begins like that,
  # and a check below refuses one that does.
  make_replicas = { for project in distinct([for asset in local.sql_drills : asset.project]) : "MakeReplicas.${project}" => {
    grant = "MakeReplicas", project = project, on = ["resource.name.startsWith('projects/${project}/instances/lastgood-drill-')"]
    permissions = [
      "cloudsql.instances.clone", "cloudsql.instances.create", "cloudsql.instances.delete", "cloudsql.instances.get", "cloudsql.instances.restoreBackup",
      "cloudsql.instances.update", "cloudsql.users.create", "cloudsql.users.list", "cloudsql.users.update",
    ]
  } }
  # A clone reads its source and leaves it as it is.
  clone_moments = { for name, asset in local.sql_drills : "CloneMoments.${name}" => {
    grant       = "CloneMoments", project = asset.project, on = ["resource.name == '${local.instances[name]}'"]
    permissions = ["cloudsql.instances.clone"]
  } if can(asset.drill.point_in_time) }
  # An operator makes a new instance beside production, and may take back one that was made so; nothing that the config names.
  restore_beside = { for project in local.sql_projects : "RestoreBeside.${project}" => {
    grant       = "RestoreBeside", project = project
    on          = [for instance in distinct(values(local.instances)) : "resource.name != '${instance}'" if startswith(instance, "projects/${project}/")], all = true
    permissions = ["cloudsql.instances.create", "cloudsql.instances.delete", "cloudsql.instances.restoreBackup", "cloudsql.instances.update", "cloudsql.users.update"]
  } }
  clone_production = { for name, instance in local.instances : "CloneProduction.${name}" => {
    grant       = "CloneProduction", project = local.sql[name].project, on = ["resource.name == '${instance}'"]
    permissions = ["cloudsql.instances.clone"]
  } }

  look_at_volumes = { for project in local.volume_projects : "LookAtVolumes.${project}" => {
    grant = "LookAtVolumes", project = project, on = []
    permissions = [
      "compute.disks.get", "compute.disks.list", "compute.globalOperations.get", "compute.instances.get", "compute.projects.get", "compute.resourcePolicies.get",
      "compute.snapshots.get", "compute.snapshots.list", "compute.zoneOperations.get",
    ]
  } }
  begin_volume_snapshots = { for project in local.volume_projects : "BeginVolumeSnapshots.${project}" => {
    grant       = "BeginVolumeSnapshots", project = project, on = []
    permissions = ["compute.disks.createSnapshot", "compute.snapshots.create", "compute.snapshots.setLabels"]
  } }
  let_go_of_volumes = { for project in local.volume_projects : "LetGoOfVolumeSnapshots.${project}" => {
    grant       = "LetGoOfVolumeSnapshots", project = project, on = ["resource.name.startsWith('projects/${project}/global/snapshots/lastgood-')"]
    permissions = ["compute.snapshots.delete"]
  } }
  # Disks that drills make of snapshots bear our names too.
  make_disks = merge(
    { for project in distinct([for asset in local.volumes : try(asset.drill.into.disk.project, asset.project, var.project) if can(asset.drill)]) : "MakeDisks.${project}" => {
      grant       = "MakeDisks", project = project, on = ["resource.name.extract('/disks/{name}').startsWith('lastgood-drill-')"]
      permissions = ["compute.disks.create", "compute.disks.delete", "compute.disks.get", "compute.disks.setLabels"]
    } },
    # Whether one is there, and whether what was begun is done.
    { for project in distinct([for asset in local.volumes : try(asset.drill.into.disk.project, asset.project, var.project) if can(asset.drill)]) : "SeeDisks.${project}" => {
      grant       = "SeeDisks", project = project, on = []
      permissions = ["compute.disks.list", "compute.zoneOperations.get"]
    } },
    { for project in distinct([for asset in local.volumes : try(asset.project, var.project) if can(asset.drill)]) : "UseSnapshots.${project}" => {
      grant       = "UseSnapshots", project = project, on = ["resource.name.startsWith('projects/${project}/global/snapshots/lastgood-')"]
      permissions = ["compute.snapshots.useReadOnly"]
    } },
  )
  # A new disk beside the old one, under a name of the operator's; it is theirs to delete.
  restore_disks = { for project in local.volume_projects : "RestoreDisks.${project}" => {
    grant       = "RestoreDisks", project = project, on = []
    permissions = ["compute.disks.create", "compute.disks.get", "compute.disks.setLabels", "compute.snapshots.useReadOnly"]
  } }
  look_at_caches = { for project in local.cache_projects : "LookAtCaches.${project}" => {
    grant       = "LookAtCaches", project = project, on = []
    permissions = ["redis.instances.get", "redis.instances.list", "redis.operations.get", "redis.operations.list"]
  } }
  export_caches = { for project in local.cache_projects : "ExportCaches.${project}" => {
    grant       = "ExportCaches", project = project, on = []
    permissions = ["redis.instances.export"]
  } }
  # Whoever exports reads every secret of the project, and writes none; a drill needs nothing there.
  export_secrets = { for project in local.secret_projects : "ExportSecrets.${project}" => {
    grant       = "ExportSecrets", project = project, on = []
    permissions = ["secretmanager.secrets.list", "secretmanager.versions.access", "secretmanager.versions.get"]
  } }
  bring_secrets_back = { for project in local.secret_projects : "BringSecretsBack.${project}" => {
    grant = "BringSecretsBack", project = project, on = []
    permissions = [
      "secretmanager.secrets.create", "secretmanager.secrets.get", "secretmanager.secrets.list",
      "secretmanager.versions.access", "secretmanager.versions.add", "secretmanager.versions.get",
    ]
  } }
  draw = { for project in compact([local.monitored]) : "Draw.${project}" => {
    grant       = "Draw", project = project, on = []
    permissions = ["monitoring.timeSeries.create"]
  } }

  project_grants = { for account, grants in {
    snapshot-trigger = merge(local.look_at_databases, local.begin_backups, local.look_at_volumes, local.begin_volume_snapshots,
    var.prune ? merge(local.let_go_of_backups, local.let_go_of_volumes) : {})
    export-to-bucket  = merge(local.have_dumps_written, length(local.offloaded) > 0 ? local.look_at_databases : {}, local.look_at_caches, local.export_caches, local.export_secrets)
    cross-region-copy = merge(local.look_at_databases, local.look_at_volumes)
    freshness-checker = merge(local.look_at_databases, local.look_at_volumes, local.look_at_caches, local.look_at_keys, local.draw)
    restore-drill     = merge(local.look_at_databases, local.make_replicas, local.clone_moments, local.look_at_volumes, local.make_disks)
    recover           = merge(local.look_at_databases, local.restore_beside, local.clone_production, local.look_at_volumes, local.restore_disks, local.bring_secrets_back)
    pruner            = merge(local.look_at_databases, local.let_go_of_backups, local.look_at_volumes, local.let_go_of_volumes)
  } : account => grants if contains(keys(local.account_names), account) }

  # Every permission of a grant is one custom role of the project that it is granted in.
  roles_asked = flatten([for account, grants in local.project_grants : [for key, grant in grants : { name = grant.grant, project = grant.project, permissions = grant.permissions }]])
  roles       = { for key, same in { for role in local.roles_asked : "${role.name}.${role.project}" => role... } : key => same[0] }
  granted     = merge([for account, grants in local.project_grants : { for key, grant in grants : "${account}.${key}" => merge(grant, { account = account }) }]...)
}

resource "google_project_iam_custom_role" "grant" {
  for_each    = local.roles
  project     = each.value.project
  role_id     = "${replace(var.name, "-", "_")}_${each.value.name}"
  title       = "Lastgood: ${each.value.name}"
  permissions = each.value.permissions
}

resource "google_project_iam_member" "granted" {
  for_each = local.granted
  project  = each.value.project
  role     = google_project_iam_custom_role.grant["${each.value.grant}.${each.value.project}"].name
  member   = local.members[each.value.account]
  dynamic "condition" {
    for_each = length(each.value.on) == 0 ? [] : [join(try(each.value.all, false) ? " && " : " || ", each.value.on)]
    content {
      title      = each.value.grant
      expression = condition.value
    }
  }
  depends_on = [google_service_account.function, google_service_account.operator]
}

# Nothing that the config protects may look like a replica.
check "names" {
  assert {
    condition     = alltrue([for instance in values(local.instances) : !can(regex("/lastgood-drill-", instance))])
    error_message = "An instance of the config is called lastgood-drill-…: a drill's account may delete what is called so. Protect it from another project, or rename it."
  }
}
