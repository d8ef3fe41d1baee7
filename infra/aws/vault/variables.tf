variable "name" {
  description = "What the key is described by."
  type        = string
}

variable "bucket" {
  description = "The bucket's name; null makes only the key."
  type        = string
  default     = null
}

variable "alias" {
  description = "The key's alias, without `alias/`."
  type        = string
}

variable "noncurrent_days" {
  description = "For how many days a deleted or replaced object can still be brought back."
  type        = number
  default     = 35
}

variable "object_lock_days" {
  description = "For how many days no version of an object can be deleted; 0 means no Object Lock."
  type        = number
  default     = 0
}

variable "object_lock_mode" {
  description = "GOVERNANCE or COMPLIANCE."
  type        = string
  default     = "GOVERNANCE"
}

variable "destroyable" {
  description = "Whether the bucket may be emptied when it is destroyed."
  type        = bool
  default     = false
}

variable "alarms_publish" {
  description = "Whether CloudWatch and EventBridge may use the key, to write to an encrypted topic."
  type        = bool
  default     = false
}

variable "writers" {
  description = "Roles of other accounts that write copies here: exports and their records."
  type        = list(string)
  default     = []
}

variable "readers" {
  description = "Roles of other accounts that read what is here, to check and to restore."
  type        = list(string)
  default     = []
}
