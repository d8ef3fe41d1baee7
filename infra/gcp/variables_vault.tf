# The vault's bucket, and those of copies.

variable "create_vault" {
  description = "Whether the module makes the vault's bucket."
  type        = bool
  default     = true
}

variable "existing_buckets" {
  description = "Buckets of copies that are there already: the module makes all others in dr_location."
  type        = list(string)
  default     = []
}

variable "bucket_projects" {
  description = "The projects of buckets that are not in the functions' own: { acme-uploads = \"acme-prod\" }. A custom role can be granted in its own project only."
  type        = map(string)
  default     = {}
}

variable "vault_location" {
  description = "Where the vault's bucket is: a region or a multi-region."
  type        = string
}

variable "dr_location" {
  description = "Where the buckets of copies are that the module makes: far from vault_location. Null: they are made elsewhere."
  type        = string
  default     = null
}

variable "soft_delete_days" {
  description = "For how many days whatever was deleted or replaced in the vault can be brought back, whoever deleted it: 7 to 90."
  type        = number
  default     = 30
  validation {
    condition     = var.soft_delete_days >= 7 && var.soft_delete_days <= 90
    error_message = "Cloud Storage keeps what was deleted for 7 to 90 days."
  }
}

variable "noncurrent_days" {
  description = "After how many days a version that was replaced leaves."
  type        = number
  default     = 35
}

variable "retention_days" {
  description = "For how many days no copy can be deleted or replaced, by nobody; 0 means no such rule."
  type        = number
  default     = 0
}

variable "lock_retention" {
  description = "Whether that rule is locked: then nobody can ever shorten it, and the bucket stays until its last object may go."
  type        = bool
  default     = false
}

variable "vault_key" {
  description = "A key of Cloud KMS that the module's buckets are encrypted with; Google's own when null."
  type        = string
  default     = null
}
