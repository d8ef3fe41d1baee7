# What wakes before the next schedule: alerts about our own numbers, and what the audit logs say of the instances and buckets that
# the config names. Both services look, each for the asset that it concerns; what nobody could be told is kept.

locals {
  # What there is to look at: anything that failed, and whatever changes or removes an instance. What our own functions did is no
  # news to them.
  sql_filter = length(local.sql) == 0 ? [] : [join(" AND ", [
    "protoPayload.serviceName=\"cloudsql.googleapis.com\"",
    "resource.labels.database_id=(${join(" OR ", distinct([for asset in local.sql : "\"${asset.project}:${asset.instance}\""]))})",
    "(severity>=ERROR OR protoPayload.methodName=(\"cloudsql.instances.delete\" OR \"cloudsql.instances.update\" OR \"cloudsql.instances.restoreBackup\" OR \"cloudsql.backupRuns.delete\"))",
  ])]
  bucket_filter = length(local.protected) == 0 ? [] : [join(" AND ", [
    "protoPayload.serviceName=\"storage.googleapis.com\"",
    "resource.labels.bucket_name=(${join(" OR ", [for bucket in local.protected : "\"${bucket}\""])})",
    "protoPayload.methodName=(\"storage.buckets.delete\" OR \"storage.buckets.update\" OR \"storage.setIamPermissions\")",
  ])]
  filters = concat(local.sql_filter, local.bucket_filter)
  ours    = "NOT protoPayload.authenticationInfo.principalEmail=(${join(" OR ", [for name in keys(local.functions) : "\"${local.emails[name]}\""])})"
  filter  = "logName:\"cloudaudit.googleapis.com\" AND ${local.ours} AND (${join(" OR ", [for filter in local.filters : "(${filter})"])})"
  # Logs of databases in other projects are written there: each has a sink of its own.
  sink_projects = toset(length(local.filters) == 0 ? [] : distinct(concat(length(local.bucket_filter) > 0 ? [var.project] : [], local.sql_projects)))

  topics      = ["alerts", "notices"]
  deliveries  = { for pair in setproduct(local.topics, keys(local.services)) : "${pair[0]}.${pair[1]}" => { topic = pair[0], function = pair[1] } }
  pubsub_self = "serviceAccount:service-${data.google_project.here.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic" "wake" {
  for_each                   = toset(concat(local.topics, ["undelivered"]))
  project                    = var.project
  name                       = "${var.name}-${each.key}"
  message_retention_duration = "86400s"
  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
  depends_on = [google_project_service.needed]
}

resource "google_logging_project_sink" "notices" {
  for_each               = local.sink_projects
  project                = each.key
  name                   = "${var.name}-notices"
  destination            = "pubsub.googleapis.com/${google_pubsub_topic.wake["notices"].id}"
  filter                 = local.filter
  unique_writer_identity = true
}

resource "google_pubsub_topic_iam_member" "sink" {
  for_each = local.sink_projects
  project  = var.project
  topic    = google_pubsub_topic.wake["notices"].name
  role     = "roles/pubsub.publisher"
  member   = google_logging_project_sink.notices[each.key].writer_identity
}

# Alerts are published by Monitoring's own account.
resource "google_pubsub_topic_iam_member" "alerts" {
  project = var.project
  topic   = google_pubsub_topic.wake["alerts"].name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:service-${data.google_project.here.number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
  # Google makes that account with the first channel.
  depends_on = [google_monitoring_notification_channel.wake]
}

resource "google_pubsub_subscription" "wake" {
  for_each                   = local.deliveries
  project                    = var.project
  name                       = "${var.name}-${each.value.topic}-${local.all_functions[each.value.function].short}"
  topic                      = google_pubsub_topic.wake[each.value.topic].id
  ack_deadline_seconds       = 600
  message_retention_duration = "86400s"
  expiration_policy {
    ttl = "" # never: a quiet year must not end it
  }
  push_config {
    push_endpoint = "${google_cloud_run_v2_service.function[each.value.function].uri}/"
    oidc_token {
      service_account_email = google_service_account.wake.email
      audience              = local.audiences[each.value.function]
    }
  }
  retry_policy {
    minimum_backoff = "30s"
    maximum_backoff = "600s"
  }
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.wake["undelivered"].id
    max_delivery_attempts = 10
  }
}

# What nobody could be told, for a person to read; an alert counts it.
resource "google_pubsub_subscription" "undelivered" {
  project                    = var.project
  name                       = "${var.name}-undelivered"
  topic                      = google_pubsub_topic.wake["undelivered"].id
  message_retention_duration = "604800s"
  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub moves what it could not deliver itself, as its own account.
resource "google_pubsub_topic_iam_member" "undelivered" {
  project = var.project
  topic   = google_pubsub_topic.wake["undelivered"].name
  role    = "roles/pubsub.publisher"
  member  = local.pubsub_self
}

resource "google_pubsub_subscription_iam_member" "undelivered" {
  for_each     = local.deliveries
  project      = var.project
  subscription = google_pubsub_subscription.wake[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_self
}

# Pub/Sub and Scheduler make tokens of the account that wakes.
resource "google_service_account_iam_member" "tokens" {
  for_each           = { pubsub = local.pubsub_self, scheduler = "serviceAccount:service-${data.google_project.here.number}@gcp-sa-cloudscheduler.iam.gserviceaccount.com" }
  service_account_id = google_service_account.wake.name
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = each.value
}
