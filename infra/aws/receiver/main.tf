# In the account that holds copies of snapshots: the role that production's functions act as there. Its name is known to the
# functions. It copies what production shares, and lets go of its own copies; it reaches no database.

terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}

variable "trusted" {
  description = "The roles of production's functions: copier, checker and, where it prunes, snapshot-trigger."
  type        = list(string)
}

variable "regions" {
  description = "Where copies are held here."
  type        = list(string)
}

variable "keys" {
  description = "ARNs of the keys that copies are encrypted with here, and of those that production's databases are encrypted with there."
  type        = list(string)
}

data "aws_caller_identity" "here" {}
data "aws_partition" "here" {}

locals {
  account   = data.aws_caller_identity.here.account_id
  partition = data.aws_partition.here.partition
  copies = flatten([for region in var.regions : [
    for kind in ["snapshot", "cluster-snapshot"] : "arn:${local.partition}:rds:${region}:${local.account}:${kind}:lastgood-*"
  ]])
  # Snapshots of volumes belong to no account in their names.
  volume_copies = [for region in var.regions : "arn:${local.partition}:ec2:${region}::snapshot/*"]
  through       = flatten([for region in var.regions : ["ec2.${region}.amazonaws.com", "rds.${region}.amazonaws.com"]])
  statements = [
    {
      Sid      = "LookAtCopies", Effect = "Allow"
      Action   = ["rds:DescribeDBClusterSnapshots", "rds:DescribeDBSnapshots", "rds:ListTagsForResource"]
      Resource = ["*"]
    },
    {
      Sid      = "ReceiveCopies", Effect = "Allow"
      Action   = ["rds:AddTagsToResource", "rds:CopyDBClusterSnapshot", "rds:CopyDBSnapshot"]
      Resource = concat(local.copies, [for kind in ["snapshot", "cluster-snapshot"] : "arn:${local.partition}:rds:*:*:${kind}:lastgood-*"])
    },
    {
      Sid       = "LetGoOfCopies", Effect = "Allow"
      Action    = ["rds:DeleteDBClusterSnapshot", "rds:DeleteDBSnapshot"]
      Resource  = local.copies
      Condition = { Null = { "aws:ResourceTag/lastgood:backup" = "false" } }
    },
    { Sid = "LookAtVolumeCopies", Effect = "Allow", Action = ["ec2:DescribeSnapshots"], Resource = ["*"] },
    { Sid = "ReceiveVolumeCopies", Effect = "Allow", Action = ["ec2:CopySnapshot"], Resource = ["arn:${local.partition}:ec2:*::snapshot/*"] },
    {
      Sid       = "TagVolumeCopies", Effect = "Allow"
      Action    = ["ec2:CreateTags"]
      Resource  = local.volume_copies
      Condition = { StringEquals = { "ec2:CreateAction" = "CopySnapshot" } }
    },
    {
      Sid       = "LetGoOfVolumeCopies", Effect = "Allow"
      Action    = ["ec2:DeleteSnapshot"]
      Resource  = local.volume_copies
      Condition = { Null = { "aws:ResourceTag/lastgood:backup" = "false" } }
    },
    {
      Sid       = "UseKeysThroughProviders", Effect = "Allow"
      Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
      Resource  = var.keys
      Condition = { StringLike = { "kms:ViaService" = local.through } }
    },
    {
      Sid       = "GrantKeysToProviders", Effect = "Allow"
      Action    = ["kms:CreateGrant"]
      Resource  = var.keys
      Condition = { Bool = { "kms:GrantIsForAWSResource" = "true" }, StringLike = { "kms:ViaService" = local.through } }
    },
    {
      # Whether the copies' keys still open what they closed: a text of Lastgood's own.
      Sid       = "ProveKeys", Effect = "Allow"
      Action    = ["kms:Decrypt", "kms:Encrypt"]
      Resource  = var.keys
      Condition = { StringEquals = { "kms:EncryptionContext:lastgood" = "proof" } }
    },
    { Sid = "LookAtKeys", Effect = "Allow", Action = ["kms:DescribeKey"], Resource = var.keys },
    {
      Sid      = "NeverTouchDatabases", Effect = "Deny"
      Action   = ["rds:DeleteDBCluster", "rds:DeleteDBInstance", "rds:ModifyDBCluster", "rds:ModifyDBInstance", "rds:RestoreDB*"]
      Resource = ["*"]
    },
  ]
}

resource "aws_iam_role" "copies" {
  name        = "lastgood-copies"
  description = "Lastgood: production's functions copy snapshots to here, and see and let go their copies"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect    = "Allow"
    Action    = "sts:AssumeRole"
    Principal = { AWS = var.trusted }
  }] })
}

resource "aws_iam_role_policy" "copies" {
  name   = "copies"
  role   = aws_iam_role.copies.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

output "role_arn" {
  description = "The role."
  value       = aws_iam_role.copies.arn
}
