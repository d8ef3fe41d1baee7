# The least: one account, one region, one database. docs/deploy-aws.md walks through it.

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

module "lastgood" {
  source    = "../.."
  providers = { aws = aws, aws.dr = aws } # no second region yet

  config       = "${path.module}/lastgood.yaml"
  packages     = var.packages
  files        = var.files
  alert_emails = var.alert_emails
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

variable "alert_emails" {
  description = "Who gets the alarms."
  type        = list(string)
  default     = []
}

output "lastgood" {
  description = "Names, roles, and what drills say in lastgood.yaml."
  value       = module.lastgood
}
