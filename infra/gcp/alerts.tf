# Who is told when something goes wrong, or when nothing is heard any more. Unknown is never good: where a number must be there, its
# absence is an alert too. (A condition that says what missing data means must last a minute at least.)

locals {
  # A length of time in lastgood.yaml, in seconds.
  units       = { s = 1, m = 60, h = 3600, d = 86400, w = 604800 }
  rpo         = { for name, asset in local.assets : name => try(asset.rpo, local.config.defaults.rpo, "24h") }
  rpo_seconds = { for name, span in local.rpo : name => tonumber(regex("^[0-9]+", span)) * local.units[regex("[smhdw]$", span)] }
  taken       = toset(concat(keys(local.snapshots), keys(local.exports)))

  numbers  = "custom.googleapis.com/lastgood"
  channels = concat([for channel in google_monitoring_notification_channel.email : channel.id], [google_monitoring_notification_channel.wake.id])

  gauges = {
    backup_age_seconds = "s", recovery_point_objective_seconds = "s", drill_age_seconds = "s", restore_seconds = "s"
    critical_findings  = "1", warnings = "1", copies_missing = "1", backups = "1", stored_bytes = "By"
  }

  # What runs every quarter of an hour, or every hour, is missed after two rounds and a little.
  silent = merge(
    { for name in keys(local.services) : name => {
      filter = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.name}-${name}\" AND metric.type=\"run.googleapis.com/request_count\""
      within = name == "freshness-checker" ? 7800 : 2400
    } },
    { for name in ["cross-region-copy", "restore-drill"] : name => {
      filter = "resource.type=\"cloud_run_job\" AND resource.labels.job_name=\"${local.jobs[name].job}\" AND metric.type=\"run.googleapis.com/job/completed_execution_count\""
      within = 25200
    } if contains(keys(local.jobs), name) },
  )
  failing = merge(
    { for name in keys(local.services) : name => "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.name}-${name}\" AND metric.type=\"run.googleapis.com/request_count\" AND metric.labels.response_code_class=\"5xx\"" },
    { for name, job in local.jobs : name => "resource.type=\"cloud_run_job\" AND resource.labels.job_name=\"${job.job}\" AND metric.type=\"run.googleapis.com/job/completed_execution_count\" AND metric.labels.result=\"failed\"" },
  )
}

resource "google_monitoring_notification_channel" "email" {
  for_each     = toset(var.alert_emails)
  project      = var.project
  display_name = "Lastgood: ${each.key}"
  type         = "email"
  labels       = { email_address = each.key }
}

# The functions are told as well: an alert about an asset wakes them for it.
resource "google_monitoring_notification_channel" "wake" {
  project      = var.project
  display_name = "Lastgood: wakes the functions"
  type         = "pubsub"
  labels       = { topic = google_pubsub_topic.wake["alerts"].id }
}

# An alert cannot be about a metric that nobody has written yet, so they are described here first.
resource "google_monitoring_metric_descriptor" "gauge" {
  for_each     = local.gauges
  project      = var.project
  type         = "${local.numbers}/${each.key}"
  display_name = "Lastgood: ${replace(each.key, "_", " ")}"
  description  = "See docs/functions.md, Measures. What is not known has no point."
  metric_kind  = "GAUGE"
  value_type   = "DOUBLE"
  unit         = each.value
  labels {
    key         = "asset"
    value_type  = "STRING"
    description = "The asset of lastgood.yaml"
  }
}

# The age of each asset's data, as the checker saw it. The checker tells nothing where it knows nothing, and then this goes off.
resource "google_monitoring_alert_policy" "stale" {
  for_each     = local.taken
  project      = var.project
  display_name = "${var.name}/${each.key}/backup-stale"
  combiner     = "OR"
  severity     = "CRITICAL"
  user_labels  = { asset = each.key }
  conditions {
    display_name = "older than its rpo (${local.rpo[each.key]})"
    condition_threshold {
      filter                  = "resource.type=\"global\" AND metric.type=\"${local.numbers}/backup_age_seconds\" AND metric.labels.asset=\"${each.key}\""
      comparison              = "COMPARISON_GT"
      threshold_value         = local.rpo_seconds[each.key]
      duration                = "60s"
      evaluation_missing_data = "EVALUATION_MISSING_DATA_ACTIVE"
      aggregations {
        alignment_period   = "3600s"
        per_series_aligner = "ALIGN_MAX"
      }
      trigger {
        count = 1
      }
    }
  }
  conditions {
    display_name = "nobody knows"
    condition_absent {
      filter   = "resource.type=\"global\" AND metric.type=\"${local.numbers}/backup_age_seconds\" AND metric.labels.asset=\"${each.key}\""
      duration = "10800s"
      aggregations {
        alignment_period   = "3600s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }
  documentation {
    content   = "The newest good backup of ${each.key} is older than its rpo (${local.rpo[each.key]}), or nobody knows. Runbook: backup-stale. Next: `lastgood status`"
    mime_type = "text/markdown"
  }
  notification_channels = local.channels
  depends_on            = [google_monitoring_metric_descriptor.gauge]
}

resource "google_monitoring_alert_policy" "critical" {
  for_each     = local.assets
  project      = var.project
  display_name = "${var.name}/${each.key}/critical"
  combiner     = "OR"
  severity     = "CRITICAL"
  user_labels  = { asset = each.key }
  conditions {
    display_name = "the checker has a critical finding"
    condition_threshold {
      filter                  = "resource.type=\"global\" AND metric.type=\"${local.numbers}/critical_findings\" AND metric.labels.asset=\"${each.key}\""
      comparison              = "COMPARISON_GT"
      threshold_value         = 0
      duration                = "60s"
      evaluation_missing_data = "EVALUATION_MISSING_DATA_ACTIVE"
      aggregations {
        alignment_period   = "3600s"
        per_series_aligner = "ALIGN_MAX"
      }
      trigger {
        count = 1
      }
    }
  }
  conditions {
    display_name = "the checker does not see it"
    condition_absent {
      filter   = "resource.type=\"global\" AND metric.type=\"${local.numbers}/critical_findings\" AND metric.labels.asset=\"${each.key}\""
      duration = "10800s"
      aggregations {
        alignment_period   = "3600s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }
  documentation {
    content   = "The checker has a critical finding about ${each.key}, or does not see it. Next: `lastgood status`"
    mime_type = "text/markdown"
  }
  notification_channels = local.channels
  depends_on            = [google_monitoring_metric_descriptor.gauge]
}

# No run at all: the schedule is off, the account is broken, the function is gone.
resource "google_monitoring_alert_policy" "silent" {
  for_each     = local.silent
  project      = var.project
  display_name = "${var.name}/${each.key}/silent"
  combiner     = "OR"
  severity     = "ERROR"
  conditions {
    display_name = "nothing ran"
    condition_absent {
      filter   = each.value.filter
      duration = "${each.value.within}s"
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }
  documentation {
    content   = "${each.key} did not run for two rounds. Look at the Cloud Scheduler jobs ${var.name}-… and at the subscription ${var.name}-undelivered."
    mime_type = "text/markdown"
  }
  notification_channels = local.channels
}

# Failing again and again; once is for the next round to mend. An export that failed has failed for its slot.
resource "google_monitoring_alert_policy" "failing" {
  for_each     = local.failing
  project      = var.project
  display_name = "${var.name}/${each.key}/failing"
  combiner     = "OR"
  severity     = "ERROR"
  user_labels  = startswith(each.key, "export.") ? { asset = trimprefix(each.key, "export.") } : {}
  conditions {
    display_name = "it fails"
    condition_threshold {
      filter                  = each.value
      comparison              = "COMPARISON_GT"
      threshold_value         = startswith(each.key, "export.") ? 0 : 1
      duration                = "60s"
      evaluation_missing_data = "EVALUATION_MISSING_DATA_INACTIVE" # nothing failed; that nothing ran is the business of the others
      aggregations {
        alignment_period     = "3600s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
      trigger {
        count = 1
      }
    }
  }
  documentation {
    content   = "${each.key} fails. Its log is in Cloud Logging under that name; `lastgood status` says which assets it concerns."
    mime_type = "text/markdown"
  }
  notification_channels = local.channels
}

# Calls that were turned away, and what nobody could be told.
resource "google_monitoring_alert_policy" "door" {
  project      = var.project
  display_name = "${var.name}/door"
  combiner     = "OR"
  severity     = "WARNING"
  conditions {
    display_name = "somebody who may not call does, or somebody who may is not believed"
    condition_threshold {
      filter                  = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=starts_with(\"${var.name}-\") AND metric.type=\"run.googleapis.com/request_count\" AND metric.labels.response_code_class=\"4xx\""
      comparison              = "COMPARISON_GT"
      threshold_value         = 0
      duration                = "60s"
      evaluation_missing_data = "EVALUATION_MISSING_DATA_INACTIVE"
      aggregations {
        alignment_period     = "3600s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }
  conditions {
    display_name = "an event could not be delivered"
    condition_threshold {
      filter                  = "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=\"${var.name}-undelivered\" AND metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\""
      comparison              = "COMPARISON_GT"
      threshold_value         = 0
      duration                = "60s"
      evaluation_missing_data = "EVALUATION_MISSING_DATA_INACTIVE"
      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }
  documentation {
    content   = "Read the message in the subscription ${var.name}-undelivered, or the refused call in the service's log. Runbook: event-refused."
    mime_type = "text/markdown"
  }
  notification_channels = local.channels
}
