variable "project" {
  description = "The project that the bucket is in."
  type        = string
}

variable "bucket" {
  description = "Its name."
  type        = string
}

variable "location" {
  description = "A region or a multi-region."
  type        = string
}

variable "noncurrent_days" {
  description = "After how many days a version that was replaced leaves."
  type        = number
}

variable "soft_delete_days" {
  description = "For how many days what was deleted can be brought back."
  type        = number
}

variable "retention_days" {
  description = "For how many days nothing can be deleted or replaced; 0 means versions instead."
  type        = number
  default     = 0
}

variable "lock_retention" {
  description = "Whether that can never be shortened."
  type        = bool
  default     = false
}

variable "key" {
  description = "A key of Cloud KMS; Google's own when null."
  type        = string
  default     = null
}
