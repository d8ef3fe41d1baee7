# The whole module, with a provider that only pretends: what is asserted is what Terraform would ask Google for.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
  mock_resource "google_service_account" {
    defaults = { email = "made@acme-backup.iam.gserviceaccount.com", name = "projects/acme-backup/serviceAccounts/made" }
  }
  mock_resource "google_cloud_run_v2_service" {
    defaults = { uri = "https://made-abc.a.run.app" }
  }
  mock_resource "google_logging_project_sink" {
    defaults = { writer_identity = "serviceAccount:sink@acme.iam.gserviceaccount.com" }
  }
  mock_resource "google_project_iam_custom_role" {
    defaults = { name = "projects/acme-prod/roles/made" }
  }
}

variables {
  config          = "tests/everything.yaml"
  project         = "acme-backup"
  region          = "europe-west1"
  image           = "europe-west1-docker.pkg.dev/acme-backup/lastgood/lastgood:0.1.0"
  vault_location  = "EUROPE-WEST1"
  dr_location     = "US-EAST1"
  retention_days  = 14
  bucket_projects = { acme-uploads = "acme-prod" }
  alert_emails    = ["oncall@example.com"]
  operators       = ["group:oncall@example.com"]
  network         = { network = "prod", subnetwork = "prod-eu" }
}

run "functions" {
  assert {
    condition     = toset(keys(google_cloud_run_v2_service.function)) == toset(["snapshot-trigger", "freshness-checker"])
    error_message = "what alerts wake is a service: ${join(", ", keys(google_cloud_run_v2_service.function))}"
  }
  assert {
    condition = { for key, job in google_cloud_run_v2_job.function : key => [job.name, join(" ", job.template[0].template[0].containers[0].command), join(" ", job.template[0].template[0].containers[0].args)] } == {
      cross-region-copy                               = ["lastgood-copy", "/usr/local/bin/cross-region-copy", ""]
      restore-drill                                   = ["lastgood-drill", "/usr/local/bin/restore-drill", ""]
      "export.ledger"                                 = ["lastgood-export-ledger", "/usr/local/bin/export-to-bucket", "ledger"]
      "export.billing"                                = ["lastgood-export-billing", "/usr/local/bin/export-to-bucket", "billing"]
      "export.a-name-that-is-much-too-long-for-a-job" = ["lastgood-export-a-name-that-is-m-${substr(sha1("a-name-that-is-much-too-long-for-a-job"), 0, 7)}", "/usr/local/bin/export-to-bucket", "a-name-that-is-much-too-long-for-a-job"]
    }
    error_message = "what may take hours is a job, one for each asset that is exported"
  }
  assert {
    condition     = alltrue([for job in google_cloud_run_v2_job.function : length(job.name) <= 49 && job.template[0].template[0].max_retries == 1 && job.template[0].task_count == 1])
    error_message = "a job has one task, which is started once more at most"
  }
  assert {
    condition = alltrue([for name, service in google_cloud_run_v2_service.function : { for env in service.template[0].containers[0].env : env.name => env.value } == {
      LASTGOOD_CONFIG      = "gs://acme-lastgood/lastgood/lastgood.yaml"
      LASTGOOD_TIMEOUT     = "900s"
      GOOGLE_CLOUD_PROJECT = "acme-backup"
      LASTGOOD_AUDIENCE    = "lastgood-${name}.acme-backup"
      LASTGOOD_CALLERS     = "lastgood-wake@acme-backup.iam.gserviceaccount.com"
      LASTGOOD_SIGNATURES  = "cloud-run"
    } && service.custom_audiences == tolist(["lastgood-${name}.acme-backup"]) && service.invoker_iam_disabled == false && service.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY"])
    error_message = "a service knows who may call and with tokens for whom, and Cloud Run checks it first"
  }
  assert {
    condition     = alltrue([for job in google_cloud_run_v2_job.function : "${ { for env in job.template[0].template[0].containers[0].env : env.name => env.value }.LASTGOOD_TIMEOUT}" == job.template[0].template[0].timeout])
    error_message = "a job knows when Cloud Run ends it"
  }
  assert {
    condition     = google_storage_bucket_object.config.bucket == "acme-lastgood" && google_storage_bucket_object.config.name == "lastgood/lastgood.yaml" && google_storage_bucket_object.config.content == file("tests/everything.yaml")
    error_message = "the functions must read the file that Terraform read"
  }
}

run "schedules" {
  assert {
    condition = { for name, job in google_cloud_scheduler_job.service : name => job.schedule } == {
      snapshot-trigger  = "*/15 * * * *"
      freshness-checker = "7 * * * *"
    }
    error_message = "one schedule for each service"
  }
  assert {
    condition = { for name, job in google_cloud_scheduler_job.job : name => job.schedule } == {
      cross-region-copy                               = "5-59/15 * * * *"
      restore-drill                                   = "10-59/15 * * * *"
      "export.ledger"                                 = "0 4 * * *"
      "export.billing"                                = "30 2 1 * 1"
      "export.a-name-that-is-much-too-long-for-a-job" = "0 1 * * *"
    }
    error_message = "exports are started when the config says so, word for word"
  }
  assert {
    condition     = alltrue([for job in concat(values(google_cloud_scheduler_job.service), values(google_cloud_scheduler_job.job)) : job.time_zone == "Etc/UTC"])
    error_message = "schedules are in UTC"
  }
  assert {
    condition     = alltrue([for name, job in google_cloud_scheduler_job.service : job.http_target[0].oidc_token[0].audience == "lastgood-${name}.acme-backup" && jsondecode(base64decode(job.http_target[0].body)) == { scheduled = true }])
    error_message = "a service is called with a token for it, and told nothing but that a schedule calls"
  }
  assert {
    condition     = alltrue([for job in google_cloud_scheduler_job.job : startswith(job.http_target[0].uri, "https://run.googleapis.com/v2/projects/acme-backup/locations/europe-west1/jobs/lastgood-") && endswith(job.http_target[0].uri, ":run") && base64decode(job.http_target[0].body) == "{}"])
    error_message = "a job is started as it is, without arguments of the caller's"
  }
}

run "permissions" {
  assert {
    condition = jsonencode(output.permissions) == jsonencode({
      snapshot-trigger  = ["BeginBackups", "ClearExports", "KeepRecords", "LetGo", "LetGoOfBackups", "LetGoOfCopies", "LookAtDatabases", "ReadCopies", "ReadSecrets", "ReadVault", "ReplaceRecords", "StoreExports", "Tell"]
      export-to-bucket  = ["ClearDumps", "ClearExports", "HaveDumpsWritten", "KeepRecords", "LookAtDatabases", "ReadDumps", "ReadSecrets", "ReadVault", "ReplaceRecords", "StoreExports", "Tell"]
      cross-region-copy = ["KeepRecords", "LookAtDatabases", "ReadBuckets", "ReadCopies", "ReadSecrets", "ReadVault", "ReplaceCopies", "ReplaceRecords", "StoreCopies", "Tell"]
      freshness-checker = ["Draw", "LookAtBuckets", "LookAtCopies", "LookAtDatabases", "LookAtKeys", "ReadCopies", "ReadPosture", "ReadSecrets", "ReadVault", "ReplaceReport", "Report", "Tell"]
      restore-drill     = ["KeepEvidence", "LookAtDatabases", "MakeReplicas", "ReadCopies", "ReadSecrets", "ReadVault", "ReplaceEvidence", "Tell"]
      wake              = ["WakeFunctions"]
      recover           = ["CloneProduction", "KeepEvidence", "LookAtDatabases", "ReadCopies", "ReadSecrets", "ReadVault", "ReplaceEvidence", "RestoreBeside"]
      pruner            = ["KeepRecords", "LetGo", "LetGoOfBackups", "LetGoOfCopies", "LookAtDatabases", "ReadCopies", "ReadVault", "ReplaceRecords"]
    })
    error_message = jsonencode(output.permissions)
  }
  assert {
    condition     = alltrue([for key, member in google_project_iam_member.granted : member.project == "acme-prod" || strcontains(key, ".Draw.")])
    error_message = "rights are given where the databases are"
  }
  # A drill: whatever it may change bears a replica's name.
  assert {
    condition     = { for key, member in google_project_iam_member.granted : key => member.condition[0].expression if startswith(key, "restore-drill.") && length(member.condition) > 0 } == { "restore-drill.MakeReplicas.acme-prod" = "resource.name.startsWith('projects/acme-prod/instances/lastgood-drill-')" }
    error_message = "a drill cannot touch production"
  }
  assert {
    condition     = jsonencode([for key, grant in local.granted : grant.permissions if grant.account == "restore-drill" && length(grant.on) == 0]) == jsonencode([["cloudsql.backupRuns.get", "cloudsql.backupRuns.list", "cloudsql.instances.get", "cloudsql.instances.list"]])
    error_message = "what a drill may do everywhere changes nothing"
  }
  assert {
    condition = { for key, member in google_project_iam_member.granted : key => member.condition[0].expression if startswith(key, "snapshot-trigger.") && length(member.condition) > 0 } == {
      "snapshot-trigger.BeginBackups.orders"   = "resource.name == 'projects/acme-prod/instances/orders-eu'"
      "snapshot-trigger.LetGoOfBackups.orders" = "resource.name == 'projects/acme-prod/instances/orders-eu' || resource.name.startsWith('projects/acme-prod/instances/orders-eu/backupRuns/')"
    }
    error_message = "backups are taken of what the config names"
  }
  assert {
    condition     = !anytrue([for key, grant in local.granted : contains(grant.permissions, "cloudsql.instances.delete") && !contains(["restore-drill", "recover"], grant.account)])
    error_message = "nobody deletes instances but who makes them"
  }
  assert {
    condition     = google_storage_bucket_iam_member.granted["export-to-bucket.ClearDumps.ledger"].condition[0].expression == "resource.name.startsWith('projects/_/buckets/acme-dumps/objects/through/offload/ledger/')" && google_project_iam_member.granted["export-to-bucket.HaveDumpsWritten.ledger"].condition[0].expression == "resource.name == 'projects/acme-prod/instances/ledger-eu'"
    error_message = "what Cloud SQL wrote is removed where it wrote it, and nothing else"
  }
  # Nobody writes a backup but the writer and the copier; the checker writes its report alone.
  assert {
    condition     = google_storage_bucket_iam_member.granted["restore-drill.ReplaceEvidence"].condition[0].expression == "resource.name.startsWith('projects/_/buckets/acme-lastgood/objects/lastgood/catalog/') && resource.name.extract('/catalog/v1/assets/{asset}/backups/') == '' && !resource.name.startsWith('projects/_/buckets/acme-lastgood/objects/lastgood/catalog/v1/memory/snapshot-trigger/') && !resource.name.startsWith('projects/_/buckets/acme-lastgood/objects/lastgood/catalog/v1/fleets/')"
    error_message = google_storage_bucket_iam_member.granted["restore-drill.ReplaceEvidence"].condition[0].expression
  }
  assert {
    condition = alltrue([for key, member in google_storage_bucket_iam_member.granted :
    contains(["reader", "looker"], local.bucket_granted[key].role) || length(member.condition) == 1])
    error_message = "whoever writes or deletes does it below a prefix"
  }
  assert {
    condition     = length([for key, grant in local.bucket_granted : key if grant.bucket == "acme-uploads" && !contains(["reader", "looker"], grant.role)]) == 0
    error_message = "nobody writes to what is protected"
  }
  assert {
    condition     = toset([for key, role in google_project_iam_custom_role.vault : role.project]) == toset(["acme-backup", "acme-prod"])
    error_message = "a role is made where its buckets are"
  }
  # Secrets: only whoever asks for them.
  assert {
    condition = sort(keys(google_secret_manager_secret_iam_member.granted)) == sort([
      "snapshot-trigger.projects/acme-backup/secrets/billing", "snapshot-trigger.projects/acme-prod/secrets/archive", "snapshot-trigger.projects/acme-backup/secrets/ops-slack",
      "export-to-bucket.projects/acme-backup/secrets/billing", "export-to-bucket.projects/acme-prod/secrets/archive", "export-to-bucket.projects/acme-backup/secrets/ops-slack",
      "cross-region-copy.projects/acme-backup/secrets/ops-slack",
      "freshness-checker.projects/acme-backup/secrets/ops-slack", "freshness-checker.projects/acme-ops/secrets/heartbeat",
      "restore-drill.projects/acme-backup/secrets/backup-key", "restore-drill.projects/acme-backup/secrets/ops-slack",
      "recover.projects/acme-backup/secrets/billing", "recover.projects/acme-prod/secrets/archive", "recover.projects/acme-backup/secrets/backup-key",
    ])
    error_message = join(", ", keys(google_secret_manager_secret_iam_member.granted))
  }
  # Nobody is everybody.
  assert {
    condition = !anytrue([for member in concat(
      [for granted in google_project_iam_member.granted : granted.member],
      [for granted in google_storage_bucket_iam_member.granted : granted.member],
      [for granted in google_secret_manager_secret_iam_member.granted : granted.member],
      [for granted in google_cloud_run_v2_service_iam_member.wake : granted.member],
      [for granted in google_cloud_run_v2_job_iam_member.wake : granted.member],
      [for granted in google_service_account_iam_member.operator : granted.member],
    ) : startswith(member, "all")])
    error_message = "somebody is allUsers or allAuthenticatedUsers"
  }
  assert {
    condition     = toset([for granted in concat(values(google_cloud_run_v2_service_iam_member.wake), values(google_cloud_run_v2_job_iam_member.wake)) : "${granted.role} ${granted.member}"]) == toset(["roles/run.invoker serviceAccount:lastgood-wake@acme-backup.iam.gserviceaccount.com"])
    error_message = "one account wakes, and it may do nothing else"
  }
}

run "wakes" {
  assert {
    condition     = alltrue([for subscription in google_pubsub_subscription.wake : subscription.push_config[0].oidc_token[0].service_account_email == google_service_account.wake.email && startswith(subscription.push_config[0].oidc_token[0].audience, "lastgood-") && subscription.dead_letter_policy[0].max_delivery_attempts == 10 && subscription.expiration_policy[0].ttl == ""])
    error_message = "a push says who it is, gives up in the end, and never expires"
  }
  assert {
    condition     = toset(keys(google_pubsub_subscription.wake)) == toset(["alerts.snapshot-trigger", "alerts.freshness-checker", "notices.snapshot-trigger", "notices.freshness-checker"])
    error_message = "both services hear of both"
  }
  assert {
    condition     = strcontains(google_logging_project_sink.notices["acme-prod"].filter, "resource.labels.database_id=(\"acme-prod:ledger-eu\" OR \"acme-prod:orders-eu\")") && strcontains(google_logging_project_sink.notices["acme-prod"].filter, "NOT protoPayload.authenticationInfo.principalEmail=(") && toset(keys(google_logging_project_sink.notices)) == toset(["acme-prod", "acme-backup"])
    error_message = "logs of what the config names, but not of what our own functions did"
  }
}

run "vault" {
  assert {
    condition     = toset(keys(module.vault)) == toset(["acme-lastgood", "acme-lastgood-copies"])
    error_message = "the vault and the copies have a bucket each"
  }
  assert {
    condition     = alltrue([for bucket in module.vault : bucket.bucket.uniform_bucket_level_access && bucket.bucket.public_access_prevention == "enforced" && bucket.bucket.soft_delete_policy[0].retention_duration_seconds == 2592000 && bucket.bucket.force_destroy == false])
    error_message = "closed, and nothing is gone for good before its time"
  }
  assert {
    condition     = module.vault["acme-lastgood"].bucket.versioning[0].enabled && length(module.vault["acme-lastgood"].bucket.retention_policy) == 0 && module.vault["acme-lastgood"].bucket.location == "EUROPE-WEST1"
    error_message = "the vault keeps versions"
  }
  assert {
    condition     = module.vault["acme-lastgood-copies"].bucket.retention_policy[0].retention_period == 1209600 && module.vault["acme-lastgood-copies"].bucket.location == "US-EAST1"
    error_message = "copies are far away and cannot be deleted for a while"
  }
}

run "alerts" {
  assert {
    condition     = toset(keys(google_monitoring_alert_policy.stale)) == toset(["orders", "ledger", "billing", "a-name-that-is-much-too-long-for-a-job"]) && toset(keys(google_monitoring_alert_policy.critical)) == toset(["orders", "ledger", "billing", "a-name-that-is-much-too-long-for-a-job", "uploads"])
    error_message = "every asset is watched"
  }
  assert {
    condition = alltrue([for policy in concat(values(google_monitoring_alert_policy.stale), values(google_monitoring_alert_policy.critical)) :
      length([for condition in policy.conditions : condition if length(condition.condition_absent) == 1]) == 1
    && length([for condition in policy.conditions : condition if length(condition.condition_threshold) == 1 && try(condition.condition_threshold[0].evaluation_missing_data, "") == "EVALUATION_MISSING_DATA_ACTIVE"]) == 1])
    error_message = "what is not known is an alert"
  }
  assert {
    condition     = { for name, policy in google_monitoring_alert_policy.stale : name => one([for condition in policy.conditions : condition.condition_threshold[0].threshold_value if length(condition.condition_threshold) == 1]) } == { orders = 93600, ledger = 93600, billing = 86400, a-name-that-is-much-too-long-for-a-job = 93600 }
    error_message = "an asset's own rpo is what counts"
  }
  assert {
    condition     = toset(keys(google_monitoring_alert_policy.silent)) == toset(["snapshot-trigger", "freshness-checker", "cross-region-copy", "restore-drill"]) && alltrue([for policy in google_monitoring_alert_policy.silent : length(policy.conditions[0].condition_absent) == 1])
    error_message = "silence is an alert"
  }
  assert {
    condition     = toset(keys(google_monitoring_alert_policy.failing)) == toset(["snapshot-trigger", "freshness-checker", "cross-region-copy", "restore-drill", "export.billing", "export.ledger", "export.a-name-that-is-much-too-long-for-a-job"])
    error_message = "whatever runs is watched for failures"
  }
  assert {
    condition     = alltrue([for policy in concat(values(google_monitoring_alert_policy.stale), values(google_monitoring_alert_policy.critical), values(google_monitoring_alert_policy.silent), values(google_monitoring_alert_policy.failing), [google_monitoring_alert_policy.door]) : length(policy.notification_channels) == 2])
    error_message = "somebody is told, and the functions are"
  }
}

run "without_pruning" {
  variables {
    prune            = false
    operators        = []
    existing_buckets = ["acme-lastgood-copies"]
  }
  assert {
    condition     = keys(module.vault) == ["acme-lastgood"] && contains(keys(google_storage_bucket_iam_member.granted), "cross-region-copy.StoreCopies.acme-lastgood-copies")
    error_message = "a bucket that is there is not made, and copies go there all the same"
  }
  assert {
    condition     = !anytrue([for grant in ["LetGo", "LetGoOfBackups", "LetGoOfCopies", "ReadCopies"] : contains(output.permissions.snapshot-trigger, grant)])
    error_message = "a writer that may not prune lets nothing go"
  }
  assert {
    condition     = length(google_service_account_iam_member.operator) == 0
    error_message = "nobody is an operator who was not named"
  }
}

run "only_disks_caches_and_secrets" {
  variables {
    config      = "tests/disks.yaml"
    dr_location = null
    services    = false
  }
  assert {
    condition = jsonencode(output.permissions) == jsonencode({
      snapshot-trigger  = ["BeginVolumeSnapshots", "ClearExports", "KeepRecords", "LetGo", "LetGoOfVolumeSnapshots", "LookAtVolumes", "ReadVault", "ReplaceRecords", "StoreExports"]
      export-to-bucket  = ["ClearDumps", "ClearExports", "ExportCaches", "ExportSecrets", "KeepRecords", "LookAtCaches", "ReadDumps", "ReadVault", "ReplaceRecords", "StoreExports"]
      freshness-checker = ["Draw", "LookAtCaches", "LookAtKeys", "LookAtVolumes", "ReadPosture", "ReadVault", "ReplaceReport", "Report"]
      restore-drill     = ["KeepEvidence", "LookAtVolumes", "MakeDisks", "ReadVault", "ReplaceEvidence", "SeeDisks", "UseSnapshots"]
      wake              = ["WakeFunctions"]
      recover           = ["BringSecretsBack", "KeepEvidence", "LookAtVolumes", "ReadVault", "ReplaceEvidence", "RestoreDisks"]
      pruner            = ["KeepRecords", "LetGo", "LetGoOfVolumeSnapshots", "LookAtVolumes", "ReadVault", "ReplaceRecords"]
    })
    error_message = jsonencode(output.permissions)
  }
  assert {
    condition     = keys(google_cloud_run_v2_job.function) == ["export.app-secrets", "export.cache", "restore-drill"] && google_storage_bucket_iam_member.granted["export-to-bucket.ClearDumps.cache"].condition[0].expression == "resource.name.startsWith('projects/_/buckets/acme-dumps/objects/memorystore/cache/')" && length(google_logging_project_sink.notices) == 0
    error_message = "nothing is made that nothing needs"
  }
  assert {
    condition     = google_project_iam_member.granted["restore-drill.MakeDisks.acme-drills"].condition[0].expression == "resource.name.extract('/disks/{name}').startsWith('lastgood-drill-')" && !contains(keys(google_project_iam_member.granted), "restore-drill.MakeDisks.acme-prod")
    error_message = "a drill that has a project of its own makes nothing anywhere else"
  }
}

run "what_cannot_be_served_is_named" {
  command = plan
  variables {
    config      = "tests/strange.yaml"
    dr_location = "EUROPE-WEST1"
  }
  expect_failures = [check.config, check.names, check.far]
}

run "a_moving_image_is_refused" {
  command = plan
  variables {
    image = "europe-west1-docker.pkg.dev/acme-backup/lastgood/lastgood:latest"
  }
  expect_failures = [var.image]
}
