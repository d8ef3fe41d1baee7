# AI Road Trip Storyteller: copies that nobody can delete for 30 days, on another coast.

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
  project = "roadtrip-prod"
  region  = "us-central1"
}

module "lastgood" {
  source         = "../.."
  config         = "${path.module}/lastgood.yaml"
  project        = "roadtrip-prod"
  region         = "us-central1"
  vault_location = "US-CENTRAL1"
  dr_location    = "US-EAST1"
  retention_days = 30
  image          = var.image
  network        = var.network
  operators      = var.operators
  alert_emails   = var.alert_emails
}

variable "image" {
  description = "The image of infra/images/cloud-run, by its digest."
  type        = string
}

variable "network" {
  description = "The network and subnetwork from which the instance's private address is reached."
  type        = object({ network = string, subnetwork = string })
  default     = { network = "roadtrip-vpc", subnetwork = "roadtrip-us-central1" }
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
