# One page: what is wrong, how old every asset's data is, what was proven, and what the functions do.

locals {
  panels = [
    {
      title   = "Age of the newest good backup"
      metrics = [for name in keys(local.rpo) : ["Lastgood", "BackupAgeSeconds", "Asset", name, "Function", "freshness-checker", { label = name }]]
    },
    {
      title   = "Since a restore was last proven"
      metrics = [for name in keys(local.drills) : ["Lastgood", "DrillAgeSeconds", "Asset", name, "Function", "freshness-checker", { label = name }]]
    },
    {
      title   = "Time to restore, until validated"
      metrics = [for name in keys(local.drills) : ["Lastgood", "RestoreSeconds", "Asset", name, "Function", "restore-drill", { label = name }]]
    },
    {
      title   = "Copies that are missing"
      metrics = [for name, asset in local.assets : ["Lastgood", "CopiesMissing", "Asset", name, "Function", "freshness-checker", { label = name }] if length(try(asset.copies, [])) > 0]
    },
    {
      title   = "Errors of the functions"
      metrics = [for name in keys(local.functions) : ["AWS/Lambda", "Errors", "FunctionName", "${var.name}-${name}", { label = name, stat = "Sum" }]]
    },
    {
      title   = "Time that the functions take"
      metrics = [for name in keys(local.functions) : ["AWS/Lambda", "Duration", "FunctionName", "${var.name}-${name}", { label = name }]]
    },
  ]
  shown = [for panel in local.panels : panel if length(panel.metrics) > 0]
}

resource "aws_cloudwatch_dashboard" "lastgood" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type   = "alarm"
        x      = 0
        y      = 0
        width  = 24
        height = 4
        properties = {
          title = "Alarms"
          alarms = [
            for name in concat(
              [for function in keys(local.ticking) : "${function}/silent"],
              [for function in keys(local.functions) : "${function}/failing"],
              [for asset in keys(local.assets) : "${asset}/critical"],
              ["dead-letters/undelivered", "dead-letters/failed"],
            ) : "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.name}/${name}"
          ]
        }
      }],
      [for n, panel in local.shown : {
        type       = "metric"
        x          = n % 2 * 12
        y          = 4 + floor(n / 2) * 6
        width      = 12
        height     = 6
        properties = { title = panel.title, region = local.region, view = "timeSeries", stat = "Maximum", period = 3600, metrics = panel.metrics }
      }],
    )
  })
}
