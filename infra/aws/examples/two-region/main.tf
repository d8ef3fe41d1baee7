# Two regions of one account. Exports run where they reach the database, from an image that has Postgres's own programs.

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
  region = "eu-west-1"
}

provider "aws" {
  alias  = "dr"
  region = "eu-central-1"
}

module "lastgood" {
  source    = "../.."
  providers = { aws = aws, aws.dr = aws.dr }

  config           = "${path.module}/lastgood.yaml"
  packages         = var.packages
  images           = { export-to-bucket = var.export_image }
  database_network = var.database_network
  object_lock_days = 7
  files            = var.files
  operators        = var.operators
}

variable "files" {
  description = "A zip with rds/global-bundle.pem, RDS's certificates; docs/deploy-aws.md makes it."
  type        = string
  default     = null
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

variable "operators" {
  description = "Who may restore and let go by hand."
  type        = list(string)
  default     = []
}

output "lastgood" {
  description = "Names, roles, and what drills say in lastgood.yaml."
  value       = module.lastgood
}
