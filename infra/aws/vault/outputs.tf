output "bucket" {
  description = "The bucket's name; null when only the key was made. Known once nothing public can reach it."
  value       = one([for bucket in aws_s3_bucket.vault : bucket.bucket])
  depends_on  = [aws_s3_bucket_policy.vault]
}

output "key_arn" {
  description = "The key."
  value       = aws_kms_key.key.arn
}

output "bucket_statements" {
  description = "The bucket's policy, for tests and for reading."
  value       = local.bucket_statements
}
