# One bucket of a vault: closed to the public, without access lists, and nothing in it is gone for good before its time. The vault
# itself keeps versions; copies, which are never replaced, may have a rule of retention instead.

terraform {
  required_version = ">= 1.9"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50, < 8.0"
    }
  }
}

resource "google_storage_bucket" "vault" {
  project                     = var.project
  name                        = var.bucket
  location                    = var.location
  force_destroy               = false # a bucket that holds anything is not removed
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = var.retention_days == 0
  }
  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * 86400
  }
  dynamic "retention_policy" {
    for_each = var.retention_days > 0 ? [var.retention_days] : []
    content {
      retention_period = retention_policy.value * 86400
      is_locked        = var.lock_retention
    }
  }
  dynamic "encryption" {
    for_each = var.key[*]
    content {
      default_kms_key_name = encryption.value
    }
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = var.noncurrent_days
      with_state                 = "ARCHIVED"
    }
  }
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 7
    }
  }
}
