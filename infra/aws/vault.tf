# Where backups and records are kept, the keys they are encrypted with, and the config that every function reads.

module "vault" {
  source           = "./vault"
  name             = var.name
  bucket           = var.create_vault ? local.vault.bucket : null
  alias            = var.name
  alarms_publish   = true
  noncurrent_days  = var.noncurrent_days
  object_lock_days = var.object_lock_days
  object_lock_mode = var.object_lock_mode
  destroyable      = var.vault_destroyable
}

# One bucket for each copy that is not made elsewhere, and one key for them and for the snapshots that are copied there.
module "dr" {
  source           = "./vault"
  providers        = { aws = aws.dr }
  for_each         = local.dr_wanted ? { dr = local.dr_buckets } : {}
  name             = var.name
  bucket           = try(each.value[0], null)
  alias            = coalesce(local.dr_key_alias == null ? null : trimprefix(local.dr_key_alias, "alias/"), "${var.name}-copies")
  noncurrent_days  = var.noncurrent_days
  object_lock_days = var.object_lock_days
  object_lock_mode = var.object_lock_mode
  destroyable      = var.vault_destroyable
}

locals {
  dr_buckets = distinct([for vault in local.copy_vaults : vault.bucket if !contains(keys(var.foreign_vaults), vault.bucket)])
  dr_wanted  = length(local.dr_buckets) > 0 || local.dr_key_alias != null
  dr_key     = try(module.dr["dr"].key_arn, null)
  vault_key  = var.create_vault ? module.vault.key_arn : var.vault_key
  copy_keys  = compact(concat([local.dr_key], values(var.foreign_vaults)))
}

check "copies" {
  assert {
    condition     = length(local.dr_buckets) <= 1
    error_message = "More than one vault of copies would be made in the second region (${join(", ", local.dr_buckets)}): make the others with infra/aws/vault and name them in foreign_vaults."
  }
}

# The one file that is the truth: what Terraform read is what the functions read.
resource "aws_s3_object" "config" {
  bucket       = var.create_vault ? module.vault.bucket : local.vault.bucket
  key          = local.config_key
  content      = local.text
  content_type = "application/yaml"
  # With Object Lock, S3 takes nothing without a checksum. The bucket's own default encrypts it.
  checksum_algorithm = "SHA256"
}
