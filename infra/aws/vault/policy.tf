# What the bucket itself refuses, whoever asks: plain HTTP, keys that the caller brings along (SSE-C: whoever steals a role
# could lock us out of our own backups), and encryption with any other key. And what other accounts may do in it.
#
# A request that says nothing of encryption gets the bucket's own. IAM takes a negated condition on a header that is absent for
# true, so these ask first whether it is there.

locals {
  arn = var.bucket == null ? "" : "arn:${local.partition}:s3:::${var.bucket}"
  bucket_statements = concat(
    [
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.arn, "${local.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "NoCallersKeys"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${local.arn}/*"
        Condition = { Null = { "s3:x-amz-server-side-encryption-customer-algorithm" = "false" } }
      },
      {
        Sid       = "NoOtherKey"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${local.arn}/*"
        Condition = {
          Null            = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = "false" }
          StringNotEquals = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = aws_kms_key.key.arn }
        }
      },
      {
        Sid       = "NoOtherEncryption"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${local.arn}/*"
        Condition = {
          Null            = { "s3:x-amz-server-side-encryption" = "false" }
          StringNotEquals = { "s3:x-amz-server-side-encryption" = "aws:kms" }
        }
      },
    ],
    length(var.writers) > 0 ? [
      {
        Sid       = "WritersOfOtherAccounts"
        Effect    = "Allow"
        Principal = { AWS = var.writers }
        Action    = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource  = "${local.arn}/*"
      },
    ] : [],
    length(var.readers) > 0 ? [
      {
        Sid       = "ReadersOfOtherAccounts"
        Effect    = "Allow"
        Principal = { AWS = var.readers }
        Action    = ["s3:GetObject"]
        Resource  = "${local.arn}/*"
      },
    ] : [],
    length(var.writers) + length(var.readers) > 0 ? [
      {
        Sid       = "ListersOfOtherAccounts"
        Effect    = "Allow"
        Principal = { AWS = distinct(concat(var.writers, var.readers)) }
        Action    = ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetBucketAcl", "s3:GetBucketObjectLockConfiguration", "s3:GetBucketPolicyStatus", "s3:GetBucketPublicAccessBlock", "s3:GetBucketVersioning", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration"]
        Resource  = local.arn
      },
    ] : [],
  )
}

resource "aws_s3_bucket_policy" "vault" {
  for_each   = local.buckets
  bucket     = aws_s3_bucket.vault[each.key].id
  policy     = jsonencode({ Version = "2012-10-17", Statement = local.bucket_statements })
  depends_on = [aws_s3_bucket_public_access_block.vault]
}
