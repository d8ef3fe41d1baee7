# The vault's bucket, the buckets of copies far away, and the config in the vault, where the functions read it.

module "vault" {
  source           = "./vault"
  for_each         = merge(var.create_vault ? { (local.vault.bucket) = "vault" } : {}, var.dr_location == null ? {} : { for bucket in local.copy_buckets : bucket => "copies" if !contains(var.existing_buckets, bucket) })
  project          = lookup(var.bucket_projects, each.key, var.project)
  bucket           = each.key
  location         = each.value == "vault" ? var.vault_location : var.dr_location
  noncurrent_days  = var.noncurrent_days
  soft_delete_days = var.soft_delete_days
  # Records of work under way are replaced all the time, which a rule of retention forbids: it is for copies alone.
  retention_days = each.value == "vault" ? 0 : var.retention_days
  lock_retention = var.lock_retention
  key            = var.vault_key
}

check "far" {
  assert {
    condition     = var.dr_location == null || lower(coalesce(var.dr_location, "none")) != lower(var.vault_location)
    error_message = "dr_location is vault_location: one fire takes both."
  }
}

resource "google_storage_bucket_object" "config" {
  bucket       = local.vault.bucket
  name         = local.config_key
  content      = local.text
  content_type = "application/yaml"
  depends_on   = [module.vault]
}
