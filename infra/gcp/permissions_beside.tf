# Secrets, topics, and who may invoke.

locals {
  secret_readers = { for account, whose in {
    snapshot-trigger  = ["sources", "notify"]
    export-to-bucket  = ["sources", "notify"]
    cross-region-copy = ["notify"]
    freshness-checker = ["notify", "heartbeat", "wal"]
    restore-drill     = ["drills", "keys", "evidence", "notify"]
    recover           = ["sources", "keys"]
  } : account => distinct(flatten([for who in whose : local.secrets[who]])) if contains(keys(local.account_names), account) }
  secret_granted = merge([for account, secrets in local.secret_readers : { for secret in secrets : "${account}.${secret}" => { account = account, project = split("/", secret)[1], secret = split("/", secret)[3] } }]...)

  # Whoever refuses an event tells of it, so every function may publish where the config says who is told.
  tellers = merge([for topic in local.told_topics : { for account in keys(local.functions) : "${account}.${topic}" => { account = account, topic = topic } }]...)
}

resource "google_secret_manager_secret_iam_member" "granted" {
  for_each   = local.secret_granted
  project    = each.value.project
  secret_id  = each.value.secret
  role       = "roles/secretmanager.secretAccessor"
  member     = local.members[each.value.account]
  depends_on = [google_service_account.function, google_service_account.operator]
}

resource "google_pubsub_topic_iam_member" "teller" {
  for_each   = local.tellers
  project    = split("/", each.value.topic)[1]
  topic      = split("/", each.value.topic)[3]
  role       = "roles/pubsub.publisher"
  member     = local.members[each.value.account]
  depends_on = [google_service_account.function]
}

# The one account that wakes: it may invoke these services and start these jobs as they are, and nothing else. Starting a job with
# other arguments takes run.jobs.runWithOverrides, which it does not have.
resource "google_cloud_run_v2_service_iam_member" "wake" {
  for_each   = local.services
  project    = var.project
  location   = var.region
  name       = google_cloud_run_v2_service.function[each.key].name
  role       = "roles/run.invoker"
  member     = local.members.wake
  depends_on = [google_service_account.wake]
}

resource "google_cloud_run_v2_job_iam_member" "wake" {
  for_each   = local.jobs
  project    = var.project
  location   = var.region
  name       = google_cloud_run_v2_job.function[each.key].name
  role       = "roles/run.invoker"
  member     = local.members.wake
  depends_on = [google_service_account.wake]
}
