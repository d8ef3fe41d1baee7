# Pegasus: everything in one project, the vault in Europe and its copies in America.

terraform {
  required_version = ">= 1.9"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50, < 8.0"
    }
  }
}

provider "google" {
  project = "delta-student-486911-n5"
  region  = "europe-west1"
}

module "lastgood" {
  source         = "../.."
  config         = "${path.module}/lastgood.yaml"
  project        = "delta-student-486911-n5"
  region         = "europe-west1"
  vault_location = "EUROPE-WEST1"
  dr_location    = "US-EAST1"
  # The team's own backup bucket: it stays where and as it is.
  existing_buckets = ["delta-student-486911-n5-pegasus-backup-eu"]
  image            = var.image
  network          = var.network
  operators        = var.operators
  alert_emails     = var.alert_emails
}

variable "image" {
  description = "The image of infra/images/cloud-run, by its digest."
  type        = string
}

variable "network" {
  description = "The network and subnetwork from which the instance's private address is reached."
  type        = object({ network = string, subnetwork = string })
  default     = { network = "default", subnetwork = "default" }
}

variable "operators" {
  description = "Who may restore and let go by hand."
  type        = list(string)
  default     = []
}

variable "alert_emails" {
  description = "Who gets the alerts."
  type        = list(string)
  default     = []
}

output "lastgood" {
  description = "Names and accounts."
  value       = module.lastgood
}
