# When the functions look for work: one schedule for each light function, one for each asset that is exported. Cloud Scheduler reads
# the five fields of lastgood.yaml as they are.
#
# A light function compares the config's own schedules with the vault, so it only has to look often enough. A wake-up that comes too
# late is dropped: the next one does its work.

locals {
  ticks = merge({
    snapshot-trigger  = "*/15 * * * *"
    cross-region-copy = "5-59/15 * * * *"
    restore-drill     = "10-59/15 * * * *"
    freshness-checker = "7 * * * *"
  }, var.ticks)

  job_schedules = merge(
    { for name in ["cross-region-copy", "restore-drill"] : name => local.ticks[name] if contains(keys(local.jobs), name) },
    { for asset, schedule in local.exports : "export.${asset}" => schedule },
  )
}

# A service is called as the account that wakes; it says who that is by a token for the service's own audience.
resource "google_cloud_scheduler_job" "service" {
  for_each         = local.services
  project          = var.project
  region           = var.region
  name             = "${var.name}-${each.key}"
  description      = "Wakes ${each.key} to look for what is due"
  schedule         = local.ticks[each.key]
  time_zone        = "Etc/UTC"
  attempt_deadline = "${each.value.timeout}s"
  http_target {
    http_method = "POST"
    uri         = "${google_cloud_run_v2_service.function[each.key].uri}/"
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode("{\"scheduled\":true}")
    oidc_token {
      service_account_email = google_service_account.wake.email
      audience              = local.audiences[each.key]
    }
  }
  retry_config {
    retry_count          = 3
    max_retry_duration   = "600s"
    min_backoff_duration = "30s"
    max_backoff_duration = "240s"
  }
}

# A job is started by Cloud Run's own API; which asset it is for is part of the job.
resource "google_cloud_scheduler_job" "job" {
  for_each         = local.job_schedules
  project          = var.project
  region           = var.region
  name             = local.jobs[each.key].job
  description      = "Starts ${local.jobs[each.key].function}${length(local.jobs[each.key].args) == 0 ? "" : " of ${local.jobs[each.key].args[0]}"}"
  schedule         = each.value
  time_zone        = "Etc/UTC"
  attempt_deadline = "180s"
  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/projects/${var.project}/locations/${var.region}/jobs/${google_cloud_run_v2_job.function[each.key].name}:run"
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode("{}")
    oauth_token {
      service_account_email = google_service_account.wake.email
      scope                 = "https://www.googleapis.com/auth/cloud-platform"
    }
  }
  retry_config {
    retry_count          = 5
    max_retry_duration   = "3600s"
    min_backoff_duration = "30s"
    max_backoff_duration = "600s"
  }
}
