# Who may do what in the vault and in the buckets of copies. Replacing an object takes the right to delete it, so what is replaced
# (records of work under way) and what never is (backups, and the manifests that make them count) are told apart by name.

locals {
  objects_of = { for bucket in concat([local.vault.bucket], local.copy_buckets) : bucket => "projects/_/buckets/${bucket}/objects/" }
  vault_root = "${local.objects_of[local.vault.bucket]}${local.vault.prefix == "" ? "" : "${local.vault.prefix}/"}"
  copy_roots = { for place, vault in local.copy_vaults : place => "${local.objects_of[vault.bucket]}${vault.prefix == "" ? "" : "${vault.prefix}/"}" if vault.bucket != local.vault.bucket }

  below        = { for what in ["exports/", "catalog/", "status/"] : what => "resource.name.startsWith('${local.vault_root}${what}')" }
  no_manifest  = "resource.name.extract('/catalog/v1/assets/{asset}/backups/') == ''"
  no_memory    = "!resource.name.startsWith('${local.vault_root}catalog/v1/memory/snapshot-trigger/')"
  no_roster    = "!resource.name.startsWith('${local.vault_root}catalog/v1/fleets/')"
  in_any_copy  = join(" || ", [for root in local.copy_roots : "resource.name.startsWith('${root}')"])
  of_the_check = join(" || ", [for path in ["status/", "catalog/v1/heartbeats/freshness-checker.json", "catalog/v1/told.json", "catalog/v1/acks/", "catalog/v1/keys/", "catalog/v1/memory/freshness-checker/"] : "resource.name.startsWith('${local.vault_root}${path}')"])

  # Grants on the vault's bucket: a role, and of which objects. Reading includes listing, which is of the bucket as a whole.
  read_vault    = { ReadVault = { role = "reader", on = null } }
  read_posture  = { ReadPosture = { role = "looker", on = null } }
  store_exports = { StoreExports = { role = "creator", on = local.below["exports/"] }, ClearExports = { role = "remover", on = local.below["exports/"] } }
  keep_records  = { KeepRecords = { role = "creator", on = local.below["catalog/"] }, ReplaceRecords = { role = "remover", on = "${local.below["catalog/"]} && ${local.no_manifest}" } }
  # Of a drill: records, but none that makes a backup count.
  keep_evidence = { for name, role in { KeepEvidence = "creator", ReplaceEvidence = "remover" } :
  name => { role = role, on = "${local.below["catalog/"]} && ${local.no_manifest} && ${local.no_memory} && ${local.no_roster}" } }
  report = { for name, role in { Report = "creator", ReplaceReport = "remover" } : name => { role = role, on = local.of_the_check } }
  let_go = { LetGo = { role = "remover", on = "resource.name.startsWith('${local.vault_root}')" } }

  # The same on buckets of copies.
  read_copies   = { ReadCopies = { role = "reader", on = null } }
  look_at_copy  = { LookAtCopies = { role = "looker", on = null } }
  store_copies  = { StoreCopies = { role = "creator", on = local.in_any_copy }, ReplaceCopies = { role = "remover", on = "(${local.in_any_copy}) && ${local.no_manifest}" } }
  let_go_copies = { LetGoOfCopies = { role = "remover", on = local.in_any_copy } }

  vault_grants = { for account, grants in {
    snapshot-trigger  = merge(local.read_vault, local.keep_records, local.store_exports, var.prune ? local.let_go : {})
    export-to-bucket  = merge(local.read_vault, local.keep_records, local.store_exports)
    cross-region-copy = merge(local.read_vault, local.keep_records)
    freshness-checker = merge(local.read_vault, local.read_posture, local.report)
    restore-drill     = merge(local.read_vault, local.keep_evidence)
    recover           = merge(local.read_vault, local.keep_evidence)
    pruner            = merge(local.read_vault, local.keep_records, local.let_go)
  } : account => grants if contains(keys(local.account_names), account) }
  copy_grants = { for account, grants in {
    snapshot-trigger  = var.prune ? merge(local.read_copies, local.let_go_copies) : {}
    cross-region-copy = merge(local.read_copies, local.store_copies)
    freshness-checker = merge(local.read_copies, local.look_at_copy)
    restore-drill     = local.read_copies
    recover           = local.read_copies
    pruner            = merge(local.read_copies, local.let_go_copies)
  } : account => grants if contains(keys(local.account_names), account) }

  vault_roles = {
    reader  = ["storage.buckets.get", "storage.objects.get", "storage.objects.list"]
    creator = ["storage.objects.create"]
    remover = ["storage.objects.delete"]
    # How a bucket is set up and who may do what there: for the checker's findings about it.
    looker = ["storage.buckets.get", "storage.buckets.getIamPolicy"]
  }
  bucket_granted = merge(concat(
    [for account, grants in local.vault_grants : { for name, grant in grants : "${account}.${name}" => merge(grant, { account = account, bucket = local.vault.bucket }) }],
    flatten([for account, grants in local.copy_grants : [for bucket in local.copy_buckets : { for name, grant in grants : "${account}.${name}.${bucket}" => merge(grant, { account = account, bucket = bucket }) }]]),
    # A protected bucket is looked at, and what is in it is copied; nobody writes there.
    flatten([for bucket in local.protected : [
      { "freshness-checker.LookAtBuckets.${bucket}" = { role = "looker", on = null, account = "freshness-checker", bucket = bucket } },
      { for name in ["cross-region-copy"] : "${name}.ReadBuckets.${bucket}" => { role = "reader", on = null, account = name, bucket = bucket } if contains(keys(local.functions), name) },
    ]]),
    # What Cloud SQL and Memorystore wrote is read, and removed once it is in the vault.
    flatten([for name, through in local.through : [
      { "export-to-bucket.ReadDumps.${through.bucket}" = { role = "reader", on = null, account = "export-to-bucket", bucket = through.bucket } },
      { "export-to-bucket.ClearDumps.${name}" = { role = "remover", account = "export-to-bucket", bucket = through.bucket
      on = "resource.name.startsWith('projects/_/buckets/${through.bucket}/objects/${through.prefix == "" ? "" : "${through.prefix}/"}${through.folder}')" } },
    ]]),
  )...)
}

resource "google_project_iam_custom_role" "vault" {
  for_each    = merge([for project in distinct(concat([var.project], values(var.bucket_projects))) : { for role, permissions in local.vault_roles : "${role}.${project}" => { role = role, project = project, permissions = permissions } }]...)
  project     = each.value.project
  role_id     = "${replace(var.name, "-", "_")}_vault_${each.value.role}"
  title       = "Lastgood: ${each.value.role} of a vault"
  permissions = each.value.permissions
}

resource "google_storage_bucket_iam_member" "granted" {
  for_each = local.bucket_granted
  bucket   = each.value.bucket
  role     = google_project_iam_custom_role.vault["${each.value.role}.${lookup(var.bucket_projects, each.value.bucket, var.project)}"].name
  member   = local.members[each.value.account]
  dynamic "condition" {
    for_each = each.value.on == null ? [] : [each.value.on]
    content {
      title      = split(".", each.key)[1]
      expression = condition.value
    }
  }
  depends_on = [module.vault, google_service_account.function, google_service_account.operator]
}
