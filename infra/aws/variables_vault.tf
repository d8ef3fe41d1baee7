# Choices about the vault, the second region and the drill network.

variable "create_vault" {
  description = "Whether the vault's bucket is made here. When not, vault_key names the key of the one that exists."
  type        = bool
  default     = true
}

variable "vault_key" {
  description = "The ARN of the KMS key of a vault that is not made here."
  type        = string
  default     = null
}

variable "foreign_vaults" {
  description = "Copies' buckets that are made elsewhere (infra/aws/vault in another account): bucket = ARN of its KMS key. All others are made in the second region."
  type        = map(string)
  default     = {}
}

variable "object_lock_days" {
  description = "For how many days no version of an object can be deleted by anybody; 0 means no Object Lock. It can be switched on only when the bucket is made."
  type        = number
  default     = 0
}

variable "object_lock_mode" {
  description = "GOVERNANCE (a role with s3:BypassGovernanceRetention can lift it) or COMPLIANCE (nobody can)."
  type        = string
  default     = "GOVERNANCE"
}

variable "noncurrent_days" {
  description = "For how many days a deleted or replaced object can still be brought back."
  type        = number
  default     = 35
}

variable "vault_destroyable" {
  description = "Whether `terraform destroy` may empty the vault. Leave it at false where backups matter."
  type        = bool
  default     = false
}

variable "drill_cidr" {
  description = "The address range of the drill network (a /24); nothing is routed to it."
  type        = string
  default     = "10.213.0.0/24"
}


variable "given_drill_network" {
  description = "A network that exists, instead of one of its own: subnets without a route to production, with a way to the RDS, S3 and Secrets Manager APIs."
  type        = object({ vpc_id = string, subnet_ids = list(string) })
  default     = null
}

variable "fargate" {
  description = "Exports that take longer than a Lambda's 15 minutes, as tasks of Fargate: which assets, from which image, where."
  type = object({
    assets             = list(string)
    image              = string
    subnet_ids         = list(string)
    security_group_ids = list(string)
    cpu                = optional(number, 1024)
    memory             = optional(number, 2048)
    disk_gib           = optional(number, 21)
    timeout            = optional(string, "12h")
  })
  default = null
}
