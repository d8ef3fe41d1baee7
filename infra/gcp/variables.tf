# What only the owner of the project can know. Everything about backups stands in lastgood.yaml.

variable "config" {
  description = "The path of lastgood.yaml."
  type        = string
}

variable "project" {
  description = "The project that the functions run in. Databases of other projects are named in lastgood.yaml."
  type        = string
}

variable "region" {
  description = "Where the functions run: that of the databases, most often."
  type        = string
}

variable "name" {
  description = "What everything that is made here is called after."
  type        = string
  default     = "lastgood"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,14}$", var.name))
    error_message = "Write 2 to 15 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "image" {
  description = "The image of infra/images/cloud-run in your Artifact Registry, by its digest (…@sha256:…) or a tag that is never moved."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9.-]+/[^:@]+(@sha256:[0-9a-f]{64}|:[A-Za-z0-9._-]+)$", var.image)) && !endswith(var.image, ":latest")
    error_message = "Write the whole name with a digest or a tag; `latest` is a different program every day."
  }
}

variable "network" {
  description = "The VPC network and subnetwork (their names) through which exports and drills reach databases with a private address."
  type        = object({ network = string, subnetwork = string })
  default     = null
}

variable "ingress" {
  description = "From where the two services are reached. Scheduler, Pub/Sub and Eventarc of this project count as internal."
  type        = string
  default     = "INGRESS_TRAFFIC_INTERNAL_ONLY"
}

variable "memory" {
  description = "Memory by function, where the module's own will not do: { export-to-bucket = \"4Gi\" }."
  type        = map(string)
  default     = {}
}

variable "environment" {
  description = "Values of the `env:NAME` references of the config. Better: secret:gcp:NAME."
  type        = map(string)
  default     = {}
}

variable "ticks" {
  description = "When the light functions look for work: five cron fields, in UTC."
  type        = map(string)
  default     = {}
}

variable "alert_emails" {
  description = "Addresses that get the alerts."
  type        = list(string)
  default     = []
}

variable "prune" {
  description = "Whether snapshot-trigger may delete what retention lets go. Without, an operator does it with the pruner's account."
  type        = bool
  default     = true
}

variable "operators" {
  description = "Who may act as the recover and pruner accounts: user:…, group:…"
  type        = list(string)
  default     = []
}

variable "services" {
  description = "Whether the module switches on the APIs that it needs."
  type        = bool
  default     = true
}
