# The bucket of a vault: versioned, encrypted with its own key, closed to the public. A delete only hides an object; what is
# hidden leaves after noncurrent_days, or never before object_lock_days.

locals {
  buckets = toset(compact([var.bucket]))
}

resource "aws_s3_bucket" "vault" {
  for_each            = local.buckets
  bucket              = each.key
  force_destroy       = var.destroyable
  object_lock_enabled = var.object_lock_days > 0
}

resource "aws_s3_bucket_versioning" "vault" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.vault[each.key].id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "vault" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.vault[each.key].id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.key.arn
    }
    bucket_key_enabled = true
  }
}

resource "aws_s3_bucket_public_access_block" "vault" {
  for_each                = local.buckets
  bucket                  = aws_s3_bucket.vault[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "vault" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.vault[each.key].id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_object_lock_configuration" "vault" {
  for_each = var.object_lock_days > 0 ? local.buckets : []
  bucket   = aws_s3_bucket.vault[each.key].id
  rule {
    default_retention {
      mode = var.object_lock_mode
      days = var.object_lock_days
    }
  }
  depends_on = [aws_s3_bucket_versioning.vault]
}

resource "aws_s3_bucket_lifecycle_configuration" "vault" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.vault[each.key].id
  rule {
    id     = "uploads-that-were-never-finished"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
  rule {
    id     = "what-was-deleted-or-replaced"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }
    expiration {
      expired_object_delete_marker = true
    }
  }
  depends_on = [aws_s3_bucket_versioning.vault]
}
