# The functions. Two are services, because alerts wake them: they look and begin, and answer within minutes. The others are jobs,
# because they may take hours: one for each asset that is exported, one for all copies, one for all drills.

locals {
  all_functions = {
    snapshot-trigger  = { short = "snapshot", service = true, memory = "512Mi", timeout = 900, wanted = true }
    freshness-checker = { short = "checker", service = true, memory = "512Mi", timeout = 900, wanted = true }
    export-to-bucket  = { short = "export", service = false, memory = "2Gi", timeout = 86400, wanted = length(local.exports) > 0 }
    cross-region-copy = { short = "copy", service = false, memory = "1Gi", timeout = 21600, wanted = anytrue([for asset in local.assets : length(try(asset.copies, [])) > 0]) }
    restore-drill     = { short = "drill", service = false, memory = "2Gi", timeout = 21600, wanted = length(local.drills) > 0 }
  }
  functions = { for name, function in local.all_functions : name => function if function.wanted }
  services  = { for name, function in local.functions : name => function if function.service }

  # `copy`, `drill`, and `export-orders-db`: names have 49 characters at most, so long ones are shortened.
  jobs = merge(
    { for name in ["cross-region-copy", "restore-drill"] : name => { function = name, job = "${var.name}-${local.all_functions[name].short}", args = [] } if contains(keys(local.functions), name) },
    { for asset in keys(local.exports) : "export.${asset}" => {
      function = "export-to-bucket"
      job      = "${var.name}-export-${length(asset) > 24 ? "${substr(asset, 0, 16)}-${substr(sha1(asset), 0, 7)}" : asset}"
      args     = [asset]
    } },
  )

  config_url = "gs://${local.vault.bucket}/${local.config_key}"
  # Whom the tokens of a service's callers must be for: a name of ours, known before the service has its URL.
  audiences = { for name in keys(local.services) : name => "${var.name}-${name}.${var.project}" }

  environment = { for name, function in local.all_functions : name => merge(var.environment,
    { LASTGOOD_CONFIG = local.config_url, LASTGOOD_TIMEOUT = "${function.timeout}s", GOOGLE_CLOUD_PROJECT = var.project },
    # Cloud Run lets in whoever may invoke, checks the signature of the token and takes it off; the service checks what the token
    # says once more.
    function.service ? { LASTGOOD_AUDIENCE = "${var.name}-${name}.${var.project}", LASTGOOD_CALLERS = local.emails.wake, LASTGOOD_SIGNATURES = "cloud-run" } : {},
  ) }
}

resource "google_cloud_run_v2_service" "function" {
  for_each             = local.services
  project              = var.project
  location             = var.region
  name                 = "${var.name}-${each.key}"
  description          = "Lastgood: ${each.key}"
  ingress              = var.ingress
  invoker_iam_disabled = false
  custom_audiences     = [local.audiences[each.key]]
  deletion_protection  = false
  template {
    service_account                  = google_service_account.function[each.key].email
    timeout                          = "${each.value.timeout}s"
    max_instance_request_concurrency = 4
    scaling {
      min_instance_count = 0
      max_instance_count = 2
    }
    containers {
      image   = var.image
      command = ["/usr/local/bin/${each.key}"]
      ports {
        container_port = 8080
      }
      resources {
        limits            = { cpu = "1", memory = lookup(var.memory, each.key, each.value.memory) }
        startup_cpu_boost = true
      }
      startup_probe {
        http_get {
          path = "/healthz"
        }
        period_seconds    = 1
        failure_threshold = 20
      }
      dynamic "env" {
        for_each = local.environment[each.key]
        content {
          name  = env.key
          value = env.value
        }
      }
    }
    dynamic "vpc_access" {
      for_each = var.network[*]
      content {
        egress = "PRIVATE_RANGES_ONLY"
        network_interfaces {
          network    = vpc_access.value.network
          subnetwork = vpc_access.value.subnetwork
        }
      }
    }
  }
  depends_on = [google_project_service.needed]
}

# A task that fails is started once more, and then waits for the lease of the attempt before it. More would only fail more often:
# the next tick, or the next slot, does the work.
resource "google_cloud_run_v2_job" "function" {
  for_each            = local.jobs
  project             = var.project
  location            = var.region
  name                = each.value.job
  deletion_protection = false
  template {
    task_count  = 1
    parallelism = 1
    template {
      service_account = google_service_account.function[each.value.function].email
      timeout         = "${local.all_functions[each.value.function].timeout}s"
      max_retries     = 1
      containers {
        image   = var.image
        command = ["/usr/local/bin/${each.value.function}"]
        args    = each.value.args
        resources {
          limits = { cpu = "2", memory = lookup(var.memory, each.value.function, local.all_functions[each.value.function].memory) }
        }
        dynamic "env" {
          for_each = local.environment[each.value.function]
          content {
            name  = env.key
            value = env.value
          }
        }
      }
      dynamic "vpc_access" {
        for_each = var.network[*]
        content {
          egress = "PRIVATE_RANGES_ONLY"
          network_interfaces {
            network    = vpc_access.value.network
            subnetwork = vpc_access.value.subnetwork
          }
        }
      }
    }
  }
  depends_on = [google_project_service.needed]
}

resource "google_project_service" "needed" {
  for_each           = var.services ? toset(["cloudscheduler", "iam", "logging", "monitoring", "pubsub", "run", "secretmanager", "sqladmin", "storage"]) : []
  project            = var.project
  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false
}
