# One page: how old every asset's data is, what was proven, and what the functions do.

locals {
  charts = [
    { title = "Age of the newest good backup", metric = "backup_age_seconds" },
    { title = "Since a restore was last proven", metric = "drill_age_seconds" },
    { title = "Time to restore, until validated", metric = "restore_seconds" },
    { title = "Copies that are missing", metric = "copies_missing" },
    { title = "Critical findings", metric = "critical_findings" },
    { title = "Stored bytes", metric = "stored_bytes" },
  ]
  lines = concat(
    [for chart in local.charts : { title = chart.title, filter = "resource.type=\"global\" AND metric.type=\"${local.numbers}/${chart.metric}\"", aligner = "ALIGN_MAX", by = "metric.label.asset" }],
    [
      { title = "Runs of the jobs", filter = "resource.type=\"cloud_run_job\" AND metric.type=\"run.googleapis.com/job/completed_execution_count\"", aligner = "ALIGN_SUM", by = "metric.label.result" },
      { title = "Calls of the services", filter = "resource.type=\"cloud_run_revision\" AND resource.label.service_name=starts_with(\"${var.name}-\") AND metric.type=\"run.googleapis.com/request_count\"", aligner = "ALIGN_SUM", by = "metric.label.response_code_class" },
    ],
  )
}

resource "google_monitoring_dashboard" "lastgood" {
  project = var.project
  dashboard_json = jsonencode({
    displayName = "Lastgood (${var.name})"
    mosaicLayout = {
      columns = 48
      tiles = [for n, line in local.lines : {
        xPos = n % 2 * 24, yPos = floor(n / 2) * 16, width = 24, height = 16
        widget = {
          title = line.title
          xyChart = { dataSets = [{
            plotType = "LINE"
            timeSeriesQuery = { timeSeriesFilter = {
              filter      = line.filter
              aggregation = { alignmentPeriod = "3600s", perSeriesAligner = line.aligner, crossSeriesReducer = line.aligner == "ALIGN_SUM" ? "REDUCE_SUM" : "REDUCE_MAX", groupByFields = [line.by] }
            } }
          }] }
        }
      }]
    }
  })
}
