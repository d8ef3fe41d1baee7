# The key of one region: of the vault's objects and of the snapshots that are copied there.
# Nobody is named as its administrator but the account: who may use it is said by the roles' own policies.

data "aws_caller_identity" "here" {}
data "aws_partition" "here" {}
data "aws_region" "here" {}

locals {
  account   = data.aws_caller_identity.here.account_id
  partition = data.aws_partition.here.partition
}

resource "aws_kms_key" "key" {
  description             = "${var.name}: backups in ${data.aws_region.here.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = jsonencode({ Version = "2012-10-17", Statement = local.key_statements })
}

resource "aws_kms_alias" "key" {
  name          = "alias/${var.alias}"
  target_key_id = aws_kms_key.key.key_id
}

locals {
  key_statements = concat(
    [{
      Sid       = "TheAccount"
      Effect    = "Allow"
      Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
      Action    = ["kms:*"]
      Resource  = "*"
    }],
    var.alarms_publish ? [{
      Sid       = "AlarmsAndRules"
      Effect    = "Allow"
      Principal = { Service = ["cloudwatch.amazonaws.com", "events.amazonaws.com"] }
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = "*"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }] : [],
    length(var.writers) + length(var.readers) > 0 ? [{
      Sid       = "OtherAccountsThroughS3"
      Effect    = "Allow"
      Principal = { AWS = distinct(concat(var.writers, var.readers)) }
      Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
      Resource  = "*"
      Condition = { StringEquals = { "kms:ViaService" = "s3.${data.aws_region.here.name}.amazonaws.com" } }
    }] : [],
  )
}
