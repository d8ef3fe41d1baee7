# What only the owner of the account can know. Everything about backups stands in lastgood.yaml.

variable "config" {
  description = "The path of lastgood.yaml."
  type        = string
}

variable "name" {
  description = "What everything that is made here is called after."
  type        = string
  default     = "lastgood"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "Write 2 to 21 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "packages" {
  description = "The folder that `make package` fills: <function>/bootstrap.zip."
  type        = string
  default     = "target/lambda"
}

variable "architecture" {
  description = "What the packages were built for: arm64 (make package ARCH=arm64) or x86_64."
  type        = string
  default     = "x86_64"
  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Write arm64 or x86_64."
  }
}

variable "memory" {
  description = "Memory of functions in MB, by name, where the module's own will not do: { restore-drill = 2048 }."
  type        = map(number)
  default     = {}
}

variable "images" {
  description = "Functions that run from a container image instead of a zip, by name: those that need Postgres's own programs (infra/images/export)."
  type        = map(string)
  default     = {}
}

variable "files" {
  description = "A zip with what the functions find below /opt: RDS's certificates, OpenPGP public keys."
  type        = string
  default     = null
}

variable "environment" {
  description = "Values of the `env:NAME` references of the config. Better: secret:aws:NAME."
  type        = map(string)
  default     = {}
  sensitive   = true
}

variable "ticks" {
  description = "When the light functions look for work, as EventBridge Scheduler writes it."
  type        = map(string)
  default     = {}
}

variable "reserve_concurrency" {
  description = "Whether each light function may run only once at a time. New accounts have too small a quota for it; leases in the vault keep two runs apart anyway."
  type        = bool
  default     = true
}

variable "log_days" {
  description = "For how many days logs are kept."
  type        = number
  default     = 90
}

variable "tracing" {
  description = "Whether X-Ray traces are taken."
  type        = bool
  default     = false
}

variable "alert_emails" {
  description = "Addresses that get the alarms."
  type        = list(string)
  default     = []
}

variable "alarm_assets" {
  description = "CloudWatch alarms of your own that wake a snapshot and a check of an asset: alarm name = asset."
  type        = map(string)
  default     = {}
}

variable "wake_topics" {
  description = "ARNs of SNS topics of this account with CloudWatch alarms or RDS event subscriptions: their notices wake a snapshot and a check of the asset that they are about."
  type        = list(string)
  default     = []
}

variable "prune" {
  description = "Whether snapshot-trigger may delete what retention lets go. Without, an operator does it with the pruner's role."
  type        = bool
  default     = true
}

variable "operators" {
  description = "ARNs of principals that may assume the recover and pruner roles, with MFA."
  type        = list(string)
  default     = []
}

variable "database_keys" {
  description = "ARNs of the KMS keys that the databases are encrypted with; when empty, every key of this account, but only through RDS."
  type        = list(string)
  default     = []
}

variable "database_role" {
  description = "The role of the databases that exports log in as where the config says `login: iam`: its `url` names the same."
  type        = string
  default     = "lastgood"
}

variable "clusters" {
  description = "Aurora clusters of which the config names a member."
  type        = list(string)
  default     = []
}

variable "secret_keys" {
  description = "ARNs of the KMS keys that the config's secrets are encrypted with, where that is not aws/secretsmanager."
  type        = list(string)
  default     = []
}

variable "database_network" {
  description = "Where exports run, so that they reach the databases: subnets with a way to S3 and Secrets Manager, and security groups that the databases let in."
  type        = object({ subnet_ids = list(string), security_group_ids = list(string) })
  default     = null
}
