# Two accounts. The second one holds the copies: its bucket lets production's copier write and nobody of production delete a
# version, and Object Lock holds even its own administrators back.

terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}

provider "aws" {
  region = "eu-west-1" # production
}

provider "aws" {
  alias  = "safe"
  region = "eu-central-1"
  assume_role {
    role_arn = var.safe_role
  }
}

module "lastgood" {
  source    = "../.."
  providers = { aws = aws, aws.dr = aws }

  config           = "${path.module}/lastgood.yaml"
  packages         = var.packages
  images           = { export-to-bucket = var.export_image }
  database_network = var.database_network
  foreign_vaults   = { acme-lastgood-safe = module.safe.key_arn }
  database_keys    = [var.database_key]
}

module "safe" {
  source    = "../../vault"
  providers = { aws = aws.safe }

  name             = "lastgood"
  bucket           = "acme-lastgood-safe"
  alias            = "lastgood-safe"
  object_lock_days = 35
  object_lock_mode = "COMPLIANCE"
  writers          = [for name in ["cross-region-copy", "snapshot-trigger"] : module.lastgood.roles[name]]
  readers          = [for name in ["freshness-checker"] : module.lastgood.roles[name]]
}

# Snapshots of RDS: production shares each with the second account, which copies it under its own key.
module "receiver" {
  source    = "../../receiver"
  providers = { aws = aws.safe }

  trusted = [for name in ["cross-region-copy", "freshness-checker", "snapshot-trigger"] : module.lastgood.roles[name]]
  regions = ["eu-central-1"]
  keys    = [module.safe.key_arn, var.database_key]
}

variable "database_key" {
  description = "The key of production's databases. Its policy must let the second account use it: a snapshot under aws/rds cannot be shared."
  type        = string
}

variable "safe_role" {
  description = "A role of the second account that may make buckets, keys and roles there."
  type        = string
}

variable "packages" {
  description = "The folder that `make package` fills."
  type        = string
  default     = "../../../../target/lambda"
}

variable "export_image" {
  description = "The image of infra/images/export in your registry."
  type        = string
}

variable "database_network" {
  description = "Subnets with a way to S3 and Secrets Manager, and security groups that the database lets in."
  type        = object({ subnet_ids = list(string), security_group_ids = list(string) })
}

output "lastgood" {
  description = "Names, roles, and where the config is read."
  value       = module.lastgood
}
