# The whole module, with a provider that only pretends: what is asserted is what Terraform would ask AWS for.

mock_provider "aws" {
  source = "./tests/mocks/home"
}
mock_provider "aws" {
  alias  = "dr"
  source = "./tests/mocks/dr"
}

variables {
  config       = "tests/everything.yaml"
  packages     = "tests/packages"
  alert_emails = ["oncall@example.com"]
  operators    = ["arn:aws:iam::123456789012:role/oncall"]
  alarm_assets = { orders-free-storage = "orders" }
  wake_topics  = ["arn:aws:sns:eu-west-1:123456789012:rds-events"]
}

run "functions" {
  assert {
    condition     = toset(keys(aws_lambda_function.function)) == toset(["snapshot-trigger", "export-to-bucket", "cross-region-copy", "freshness-checker", "restore-drill"])
    error_message = "functions: ${join(", ", keys(aws_lambda_function.function))}"
  }
  assert {
    condition = alltrue([for function in aws_lambda_function.function :
      function.runtime == "provided.al2023" && function.handler == "bootstrap" && function.tracing_config[0].mode == "PassThrough"
    && nonsensitive(function.environment[0].variables.LASTGOOD_CONFIG) == "s3://acme-lastgood/lastgood/lastgood.yaml"])
    error_message = "every function runs a bootstrap of its own and reads the config that was put into the vault"
  }
  assert {
    condition     = aws_s3_object.config.bucket == "acme-lastgood" && aws_s3_object.config.key == "lastgood/lastgood.yaml" && aws_s3_object.config.content == file("tests/everything.yaml")
    error_message = "the functions must read the file that Terraform read"
  }
  assert {
    condition     = { for name, function in aws_lambda_function.function : name => function.reserved_concurrent_executions } == { snapshot-trigger = 1, export-to-bucket = -1, cross-region-copy = 1, freshness-checker = 1, restore-drill = 1 }
    error_message = "what looks at all assets runs once at a time; exports run side by side"
  }
  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.function : group.retention_in_days == 90])
    error_message = "logs are kept, and not for ever"
  }
}

run "schedules" {
  assert {
    condition = { for name, schedule in aws_scheduler_schedule.tick : name => schedule.schedule_expression } == {
      snapshot-trigger  = "cron(0/15 * * * ? *)"
      cross-region-copy = "cron(5/15 * * * ? *)"
      restore-drill     = "cron(10/15 * * * ? *)"
      freshness-checker = "cron(7 * * * ? *)"
    }
    error_message = "one schedule for each light function"
  }
  assert {
    condition = { for name, schedule in aws_scheduler_schedule.export : name => [schedule.schedule_expression, schedule.target[0].input] } == {
      "billing"     = ["cron(30 2 1 * ? *)", "{\"asset\":\"billing\",\"scheduled_at\":\"<aws.scheduler.scheduled-time>\"}"]
      "billing.2"   = ["cron(30 2 ? * 2 *)", "{\"asset\":\"billing\",\"scheduled_at\":\"<aws.scheduler.scheduled-time>\"}"]
      "archive"     = ["cron(0 1 * * ? *)", "{\"asset\":\"archive\",\"scheduled_at\":\"<aws.scheduler.scheduled-time>\"}"]
      "app-secrets" = ["cron(30 3 * * ? *)", "{\"asset\":\"app-secrets\",\"scheduled_at\":\"<aws.scheduler.scheduled-time>\"}"]
    }
    error_message = "one schedule for each heavy asset, with its name and the moment, and nothing else"
  }
  assert {
    condition = alltrue([for schedule in concat(values(aws_scheduler_schedule.tick), values(aws_scheduler_schedule.export)) :
      schedule.flexible_time_window[0].mode == "OFF" && schedule.schedule_expression_timezone == "UTC"
      && schedule.target[0].retry_policy[0].maximum_event_age_in_seconds <= 3600
    && schedule.target[0].dead_letter_config[0].arn == aws_sqs_queue.undelivered.arn])
    error_message = "a schedule fires in UTC and on time, gives up within the hour, and what it could not deliver is kept"
  }
  assert {
    condition     = alltrue([for config in aws_lambda_function_event_invoke_config.function : config.maximum_event_age_in_seconds == 3600 && config.destination_config[0].on_failure[0].destination == aws_sqs_queue.failed.arn])
    error_message = "what a function gave up on is kept"
  }
}

run "analytics" {
  assert {
    condition     = jsondecode(aws_scheduler_schedule.analytics[0].target[0].input).analytics && aws_scheduler_schedule.analytics[0].target[0].arn == aws_lambda_function.function["export-to-bucket"].arn
    error_message = "extracts are seen to by the exporter"
  }
  assert {
    condition     = jsonencode([for statement in local.permissions.export-to-bucket : [statement.Resource, statement.Condition.StringEquals["iam:PassedToService"]] if statement.Sid == "HandExtractsTheirRole"]) == jsonencode([[["arn:aws:iam::123456789012:role/rds-extracts"], "export.rds.amazonaws.com"]])
    error_message = "only the role that the config names is handed on, and only to RDS's exports"
  }
}

run "wakes" {
  assert {
    condition = alltrue([for target in aws_cloudwatch_event_target.wake :
    keys(jsondecode(replace(replace(replace(target.input_transformer[0].input_template, "<time>", "\"\""), "<account>", "\"\""), "<region>", "\"\"")).detail) == ["asset"]])
    error_message = "an event may name an asset, and nothing else"
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.wake["orders.trouble"].event_pattern).detail.SourceIdentifier == ["orders-prod"]
    error_message = "RDS's events about an instance wake for its asset"
  }
  assert {
    condition     = toset(keys(aws_cloudwatch_event_rule.wake)) == toset(["orders.trouble", "orders.snapshot", "orders.restore-test", "orders.backup", "billing.backup", "archive.backup", "app-secrets.backup", "disk.backup", "cache.backup", "prod.backup", "alarm.orders-free-storage"])
    error_message = "rules: ${join(", ", keys(aws_cloudwatch_event_rule.wake))}"
  }
  assert {
    condition     = alltrue([for permission in aws_lambda_permission.wake : permission.source_account == "123456789012" && startswith(permission.source_arn, "arn:aws:events:")])
    error_message = "only the rules of this account may invoke"
  }
}

run "notices" {
  assert {
    condition     = { for name, permission in aws_lambda_permission.topic : name => [permission.source_arn, permission.source_account] } == { for function in ["snapshot-trigger", "freshness-checker"] : "arn:aws:sns:eu-west-1:123456789012:rds-events.${function}" => ["arn:aws:sns:eu-west-1:123456789012:rds-events", "123456789012"] }
    error_message = "a topic of this account may wake, and no other"
  }
  assert {
    condition     = alltrue([for rule in aws_cloudwatch_event_rule.change : jsondecode(rule.event_pattern).account == ["123456789012"] && rule.event_bus_name == "backups"])
    error_message = "our own events are those of this account, on the bus that the config names"
  }
  assert {
    condition = toset(keys(aws_cloudwatch_event_target.change)) == toset([
      "done.cross-region-copy", "done.freshness-checker", "others.freshness-checker",
      "export-to-bucket-failed.export-to-bucket", "export-to-bucket-failed.freshness-checker",
      "snapshot-trigger-failed.snapshot-trigger", "snapshot-trigger-failed.freshness-checker",
    ])
    error_message = "what is there is copied, what failed is tried again by whoever failed, and the checker looks at all of it"
  }
}

run "roles" {
  assert {
    condition     = toset(keys(aws_iam_role.function)) == toset(keys(aws_lambda_function.function))
    error_message = "one role for each function"
  }
  assert {
    condition = alltrue([for role in concat(values(aws_iam_role.function), [aws_iam_role.scheduler]) :
    jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"])
    error_message = "a service may take a role for this account only"
  }
  assert {
    condition     = jsondecode(aws_iam_role.scheduler.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceArn"] == "arn:aws:scheduler:eu-west-1:123456789012:schedule-group/lastgood"
    error_message = "only the schedules of our group"
  }
  assert {
    condition     = alltrue([for role in aws_iam_role.operator : jsondecode(role.assume_role_policy).Statement[0].Condition.Bool["aws:MultiFactorAuthPresent"] == "true"])
    error_message = "people come with MFA"
  }
  assert {
    condition = alltrue(flatten([for statements in local.permissions : [for statement in statements :
    !contains(try(statement.Action, []), "*") && alltrue([for action in try(statement.Action, []) : statement.Effect == "Deny" || !strcontains(action, "*")])]]))
    error_message = "no role is allowed anything by a wildcard"
  }
  assert {
    condition = toset(flatten([for statements in local.permissions : [for statement in statements :
    statement.Sid if statement.Effect == "Allow" && contains(try(statement.Resource, []), "*")]])) == toset(["LookAtDatabases", "LookAtContinuousBackups", "LookAtExtracts", "LookAtQuotas", "SeeRestoreTests", "JudgeRestoreTests", "LookAtVolumes", "LookAtCaches", "ListSecrets", "JoinNetwork", "RestoreBeside", "ChangeWhatWasRestored"])
    error_message = "only what has no narrower resource is allowed on everything"
  }
  assert {
    condition     = alltrue([for name, statements in local.permissions : name == "scheduler" || contains([for statement in statements : statement.Sid if statement.Effect == "Deny"], "NeverWeakenTheVault")])
    error_message = "no role may delete a version, or weaken the vault"
  }
  assert {
    condition     = jsonencode([for statement in local.permissions.snapshot-trigger : [statement.Resource[0], statement.Condition.StringLike["aws:RequestTag/lastgood:asset"]] if statement.Sid == "BeginSnapshots"]) == jsonencode([["arn:aws:rds:eu-west-1:123456789012:db:orders-prod", ["orders", "prod-*"]]])
    error_message = "snapshots only of what the config names, and only with our tags"
  }
  assert {
    condition = alltrue(flatten([for statements in local.permissions : [for statement in statements :
    length(keys(statement.Condition.Null)) > 0 if contains(["LetGoOfSnapshots", "ChangeAndRemoveReplicas", "ShareSnapshots", "MakeReplicasOfMoments", "RestoreBeside", "ChangeWhatWasRestored", "LetGoOfVolumeSnapshots", "LetGoOfCacheSnapshots", "RemoveReplicaVolumes", "ReadBlocksOfOurSnapshots"], statement.Sid)]]))
    error_message = "nothing is deleted or shared that does not bear our tag"
  }
  assert {
    condition     = jsonencode({ for name, statements in local.permissions : name => [for statement in statements : statement.Resource if statement.Sid == "LogInByIam"][0] if contains([for statement in statements : statement.Sid], "LogInByIam") }) == jsonencode({ export-to-bucket = ["arn:aws:rds-db:eu-west-1:123456789012:dbuser:*/lastgood"] })
    error_message = "only exports log in to databases, and only as one role"
  }
  assert {
    condition     = contains([for statement in local.permissions.restore-drill : jsonencode(statement.Resource) if statement.Sid == "NeverTouchProduction" && statement.Effect == "Deny"], jsonencode(["arn:aws:rds:eu-west-1:123456789012:db:orders-prod", "arn:aws:rds:eu-west-1:123456789012:cluster:orders-prod"]))
    error_message = "a drill is denied production by name"
  }
  assert {
    condition     = alltrue([for arn in local.production : contains(flatten([for statement in local.permissions.restore-drill : statement.Resource if statement.Sid == "MakeReplicasOfMoments"]), arn)])
    error_message = "a drill of a moment reads the continuous backups of production"
  }
  assert {
    condition     = !anytrue(flatten([for name in ["freshness-checker", "restore-drill"] : [for statement in local.permissions[name] : [for action in try(statement.Action, []) : statement.Effect == "Allow" && contains(["s3:DeleteObject", "rds:CreateDBSnapshot", "rds:DeleteDBSnapshot", "ec2:CreateSnapshot", "ec2:DeleteSnapshot", "ec2:AttachVolume", "elasticache:CreateSnapshot", "elasticache:DeleteSnapshot"], action)]]]))
    error_message = "who checks and who drills takes and deletes no backups"
  }
  assert {
    condition = jsonencode({ for name, statements in local.permissions : name => flatten([for statement in statements : statement.Resource if startswith(statement.Sid, "ReadSecrets")]) if length([for statement in statements : 1 if startswith(statement.Sid, "ReadSecrets")]) > 0 }) == jsonencode({
      snapshot-trigger  = ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:archive-AbCdEf", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:lastgood/billing-??????", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ops/webhook-??????"]
      export-to-bucket  = ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:archive-AbCdEf", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:lastgood/billing-??????", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ops/webhook-??????"]
      recover           = ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:archive-AbCdEf", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:lastgood/billing-??????"]
      cross-region-copy = ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:ops/webhook-??????"]
      freshness-checker = ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:ops/webhook-??????", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ops/heartbeat-??????", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:lastgood/billing-??????"]
      restore-drill     = ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:ops/webhook-??????"]
    })
    error_message = "each role reads the secrets that the config names for it, and no other"
  }
}

run "sets_of_secrets" {
  assert {
    condition     = jsonencode({ for name, statements in local.permissions : name => sort([for statement in statements : statement.Sid if statement.Effect == "Allow" && contains(["ListSecrets", "ExportSecrets", "BringSecretsBack"], statement.Sid)]) if contains([for statement in statements : statement.Sid], "ListSecrets") }) == jsonencode({ export-to-bucket = ["ExportSecrets", "ListSecrets"], recover = ["BringSecretsBack", "ListSecrets"] })
    error_message = "whoever exports reads, an operator brings back, and nobody else sees more than the config names for it"
  }
  assert {
    condition     = alltrue([for statement in concat(local.permissions.export-to-bucket, local.permissions.recover) : jsonencode(statement.Resource) == jsonencode(["arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/*"]) if contains(["ExportSecrets", "BringSecretsBack"], statement.Sid)])
    error_message = "only of what belongs to the set"
  }
  assert {
    condition     = alltrue([for name in ["export-to-bucket", "recover"] : contains([for statement in local.permissions[name] : statement.Sid if statement.Effect == "Deny"], "NeverMoveSecrets")])
    error_message = "what is in use stays in use"
  }
}

run "volumes_and_caches" {
  assert {
    condition = { for statement in local.permissions.snapshot-trigger : statement.Sid => statement.Resource if contains(["SnapshotVolumes", "MakeVolumeSnapshots", "SnapshotCaches", "MakeCacheSnapshots"], statement.Sid) } == {
      SnapshotVolumes     = ["arn:aws:ec2:eu-west-1:123456789012:volume/vol-0abc"]
      MakeVolumeSnapshots = ["arn:aws:ec2:eu-west-1::snapshot/*", "arn:aws:ec2:eu-central-1::snapshot/*"]
      SnapshotCaches      = ["arn:aws:elasticache:eu-west-1:123456789012:replicationgroup:shop", "arn:aws:elasticache:eu-west-1:123456789012:cluster:shop", "arn:aws:elasticache:eu-west-1:123456789012:cluster:shop-*"]
      MakeCacheSnapshots  = ["arn:aws:elasticache:eu-west-1:123456789012:snapshot:lastgood-*"]
    }
    error_message = "snapshots only of the volumes and caches that the config names"
  }
  assert {
    condition = alltrue(flatten([for statements in local.permissions : [for statement in statements :
    can(statement.Condition.StringEquals["ec2:CreateAction"]) if statement.Effect == "Allow" && contains(try(statement.Action, []), "ec2:CreateTags")]]))
    error_message = "tags are set only by the request that makes the thing: nobody can make another's thing ours"
  }
  assert {
    condition     = contains([for statement in local.permissions.restore-drill : jsonencode(statement.Resource) if statement.Sid == "NeverDeleteProductionVolumes" && statement.Effect == "Deny"], jsonencode(["arn:aws:ec2:eu-west-1:123456789012:volume/vol-0abc"]))
    error_message = "a drill is denied production's volumes by name"
  }
  assert {
    condition     = !anytrue(flatten([for statements in local.permissions : [for statement in statements : statement.Effect == "Allow" && contains(try(statement.Action, []), "ec2:AttachVolume")]]))
    error_message = "nobody attaches a volume"
  }
  assert {
    condition     = length(setsubtract(["ebs", "ec2", "rds"], local.drill_endpoints)) == 0
    error_message = "the drill function reaches what it drills: ${join(", ", local.drill_endpoints)}"
  }
}

run "restore_tests" {
  assert {
    condition     = contains(local.drill_endpoints, "backup")
    error_message = "the drill function reaches AWS Backup: ${join(", ", local.drill_endpoints)}"
  }
  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.wake["orders.restore-test"].event_pattern) == {
      source = ["aws.backup"], account = ["123456789012"], detail-type = ["Restore Job State Change"]
      detail = {
        status            = ["COMPLETED"], restoreTestingPlanArn = [{ exists = true }]
        sourceResourceArn = ["arn:aws:rds:eu-west-1:123456789012:db:orders-prod", "arn:aws:rds:eu-west-1:123456789012:cluster:orders-prod"]
      }
    } && [for name, target in aws_cloudwatch_event_target.wake : target.target_id if target.rule == aws_cloudwatch_event_rule.wake["orders.restore-test"].name] == ["restore-drill"]
    error_message = "the end of a restore test wakes the drill, and nobody else: ${aws_cloudwatch_event_rule.wake["orders.restore-test"].event_pattern}"
  }
  assert {
    condition = { for statement in local.permissions.restore-drill : statement.Sid => statement.Resource if contains(["SeeRestoreTests", "JudgeRestoreTests", "OpenRestoreTests"], statement.Sid) } == {
      SeeRestoreTests   = ["*"]
      JudgeRestoreTests = ["*"]
      OpenRestoreTests  = ["arn:aws:rds:eu-west-1:123456789012:db:awsbackup-restore-test-*", "arn:aws:rds:eu-west-1:123456789012:cluster:awsbackup-restore-test-*"]
    }
    error_message = "only what AWS Backup restored to be tested is given a password"
  }
  assert {
    condition     = !anytrue(flatten([for name, statements in local.permissions : [for statement in statements : length([for action in try(statement.Action, []) : action if startswith(action, "backup:")]) > 0 if name != "restore-drill"]]))
    error_message = "nobody but the drill has anything to do with AWS Backup"
  }
}

run "fleets" {
  assert {
    condition     = { for name, schedule in aws_scheduler_schedule.fleet : name => [schedule.schedule_expression, schedule.target[0].input] } == { prod = ["cron(0 4 * * ? *)", "{\"asset\":\"prod\",\"scheduled_at\":\"<aws.scheduler.scheduled-time>\"}"] }
    error_message = "a fleet has a schedule of its own, with its name"
  }
  assert {
    condition = jsonencode([for statement in local.permissions.snapshot-trigger : [statement.Resource, statement.Condition] if statement.Sid == "BeginSnapshotsOfProd"]) == jsonencode([[
      ["arn:aws:rds:eu-west-1:123456789012:db:*", "arn:aws:rds:eu-west-1:123456789012:cluster:*"],
      { Null = { "aws:RequestTag/lastgood:backup" = "false" }, StringEquals = { "aws:ResourceTag/backup" = "true" }, StringLike = { "aws:RequestTag/lastgood:asset" = "prod-*" } },
    ]])
    error_message = "snapshots of whatever bears the tag, under the names of members"
  }
  assert {
    condition     = contains(flatten([for statement in local.permissions.snapshot-trigger : statement.Resource if statement.Sid == "KeepAutomated"]), "arn:aws:rds:eu-west-1:123456789012:snapshot:rds:*") && !anytrue([for name in ["restore-drill", "freshness-checker"] : contains([for statement in local.permissions[name] : statement.Sid], "KeepAutomated")])
    error_message = "who takes snapshots may keep what RDS took by itself, and nobody else"
  }
  assert {
    condition     = jsonencode([for statement in local.permissions.restore-drill : [statement.Effect, statement.Condition] if statement.Sid == "NeverTouchProd"]) == jsonencode([["Deny", { StringEquals = { "aws:ResourceTag/backup" = "true" } }]])
    error_message = "a drill is denied whatever bears a fleet's tag"
  }
  assert {
    condition     = !anytrue([for arn in local.production : strcontains(arn, "*")])
    error_message = "production that is named is named whole"
  }
  assert {
    condition     = toset(keys(aws_cloudwatch_event_target.fleet)) == toset(["trouble.snapshot-trigger", "trouble.freshness-checker", "snapshot.snapshot-trigger", "snapshot.cross-region-copy"])
    error_message = "targets: ${join(", ", keys(aws_cloudwatch_event_target.fleet))}"
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.fleet["snapshot"].event_pattern).detail.SourceIdentifier == [{ prefix = "lastgood-prod-" }] && !can(jsondecode(aws_cloudwatch_event_rule.fleet["trouble"].event_pattern).detail.SourceIdentifier)
    error_message = "whose an instance is, the functions know"
  }
  assert {
    condition     = alltrue([for target in aws_cloudwatch_event_target.fleet : length(target.input_transformer) == 0 && target.input == null])
    error_message = "a notice goes on as it is"
  }
}

run "a_writer_that_may_not_delete" {
  variables {
    prune = false
  }
  assert {
    condition     = !anytrue([for statement in local.permissions.snapshot-trigger : contains(["LetGoOfExports", "LetGoOfSnapshots", "LetGoOfVolumeSnapshots", "LetGoOfCacheSnapshots"], statement.Sid)])
    error_message = "without prune, only an operator lets go"
  }
}

run "alarms" {
  command = apply
  assert {
    condition = toset(keys(aws_cloudwatch_metric_alarm.silent)) == toset(["snapshot-trigger", "cross-region-copy", "freshness-checker", "restore-drill"]) && alltrue([
    for alarm in aws_cloudwatch_metric_alarm.silent : alarm.treat_missing_data == "breaching" && alarm.metric_name == "Invocations" && alarm.comparison_operator == "LessThanThreshold"])
    error_message = "a function that is not invoked any more is an alarm"
  }
  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.failing)) == toset(keys(aws_lambda_function.function))
    error_message = "a function that fails is an alarm"
  }
  assert {
    condition     = { for name, alarm in aws_cloudwatch_metric_alarm.stale : name => [alarm.threshold, alarm.treat_missing_data] } == { orders = [93600, "breaching"], billing = [86400, "breaching"], archive = [93600, "breaching"], app-secrets = [93600, "breaching"], disk = [93600, "breaching"], cache = [93600, "breaching"], prod = [108000, "breaching"] }
    error_message = "data older than its rpo is an alarm, and so is data of which nobody knows the age"
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.critical : alarm.treat_missing_data == "breaching"]) && length(aws_cloudwatch_metric_alarm.critical) == 7
    error_message = "a checker that says nothing is an alarm"
  }
  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.failed)) == toset(["orders/snapshot-failed", "billing/export-failed", "archive/export-failed", "app-secrets/export-failed", "orders/drill-failed", "disk/snapshot-failed", "disk/drill-failed", "cache/snapshot-failed", "prod/snapshot-failed"])
    error_message = "each failure has an alarm of its own: ${join(", ", keys(aws_cloudwatch_metric_alarm.failed))}"
  }
  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.dead)) == toset(["undelivered", "failed"])
    error_message = "dead letters are an alarm"
  }
  assert {
    condition = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.silent), values(aws_cloudwatch_metric_alarm.failing), values(aws_cloudwatch_metric_alarm.stale),
      values(aws_cloudwatch_metric_alarm.critical), values(aws_cloudwatch_metric_alarm.failed), values(aws_cloudwatch_metric_alarm.dead)) :
    contains(alarm.alarm_actions, aws_sns_topic.alerts.arn)])
    error_message = "every alarm tells the topic"
  }
}

run "vault" {
  command = apply
  assert {
    condition = alltrue([for statement in module.vault.bucket_statements :
      jsondecode(jsonencode(statement)).Condition.Null["s3:x-amz-server-side-encryption${statement.Sid == "NoOtherKey" ? "-aws-kms-key-id" : ""}"] == "false"
    if startswith(statement.Sid, "NoOther")])
    error_message = "an object that says nothing of encryption is not refused: it gets the bucket's own"
  }
  assert {
    condition     = [for statement in module.vault.bucket_statements : statement.Sid if statement.Effect == "Deny"] == ["TlsOnly", "NoCallersKeys", "NoOtherKey", "NoOtherEncryption"]
    error_message = "the bucket refuses plain HTTP, callers' keys and other encryption"
  }
  assert {
    condition     = module.dr["dr"].bucket == "acme-lastgood-copies"
    error_message = "the copies' bucket is made in the second region"
  }
}

run "network" {
  command = apply
  assert {
    condition     = !contains([aws_vpc_security_group_egress_rule.drill_to_replica[0].security_group_id, aws_vpc_security_group_egress_rule.drill_to_apis[0].security_group_id], aws_security_group.replica[0].id)
    error_message = "a replica is let nothing out"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.replica[0].from_port == 5432 && aws_vpc_security_group_ingress_rule.replica[0].to_port == 5432 && aws_vpc_security_group_ingress_rule.replica[0].referenced_security_group_id == aws_security_group.drill_function[0].id
    error_message = "only the drill function reaches a replica, at Postgres's port"
  }
  assert {
    condition     = length(aws_route_table.drill[0].route) == 0
    error_message = "nothing is routed into or out of the drill network"
  }
  assert {
    condition     = aws_lambda_function.function["restore-drill"].vpc_config[0].security_group_ids == toset([aws_security_group.drill_function[0].id])
    error_message = "the drill function stands in the drill network"
  }
  assert {
    condition     = output.drill_into.rds.subnet_group == "lastgood-drill" && output.drill_into.rds.security_groups == [aws_security_group.replica[0].id]
    error_message = "what lastgood.yaml must say about it is an output"
  }
}

run "long_exports" {
  command = apply
  variables {
    fargate = { assets = ["archive"], image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/lastgood-export:1", subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  }
  assert {
    condition     = jsondecode(aws_scheduler_schedule.task["archive"].target[0].input) == { containerOverrides = [{ name = "export", command = ["archive", "--scheduled"] }] }
    error_message = "a long export is a task of its own"
  }
  assert {
    condition     = toset(keys(aws_scheduler_schedule.export)) == toset(["app-secrets", "billing", "billing.2"])
    error_message = "what runs on Fargate does not run on Lambda as well"
  }
}

run "packages_must_be_there" {
  command = plan
  variables {
    packages = "tests/nowhere"
  }
  expect_failures = [aws_lambda_function.function]
}
