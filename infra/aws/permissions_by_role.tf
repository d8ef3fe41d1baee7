# Each role as a list of the statements that it is made of.

locals {
  permissions = {
    # The writer; with prune, the pruner as well: snapshot-trigger lets go what retention no longer asks for.
    snapshot-trigger = concat(
      local.read_records, local.keep_records, local.store_exports, local.use_vault_key,
      local.look_at_databases, local.begin_snapshots, local.begin_fleets, local.keep_automated,
      local.look_at_volumes, local.begin_volume_snapshots, local.look_at_caches, local.begin_cache_snapshots,
      [for statement in local.use_database_keys : statement if length(local.automated) > 0],
      [for statement in concat(local.read_copies, local.use_copy_keys, local.look_at_posture, local.let_go, local.let_go_of_volumes, local.let_go_of_caches, local.act_in_other_accounts) : statement if var.prune],
      local.read_secrets.sources, local.tell, local.announce, local.read_secrets.notify, local.never, local.never_delete_databases, local.run.snapshot-trigger,
    )
    export-to-bucket = concat(
      local.read_records, local.keep_records, local.store_exports, local.use_vault_key, local.log_in_by_iam, local.extract, local.list_secrets, local.export_secrets,
      local.read_secrets.sources, local.tell, local.announce, local.read_secrets.notify, local.never, local.never_delete_records, local.never_delete_databases, local.never_move_secrets, local.never_write_secrets, local.run.export-to-bucket,
    )
    # The copier.
    cross-region-copy = concat(
      local.read_records, local.keep_records, local.read_exports, local.use_vault_key,
      local.store_copies, local.use_copy_keys,
      local.look_at_databases, local.copy_snapshots, local.share_snapshots, local.act_in_other_accounts, local.use_database_keys,
      local.look_at_volumes, local.copy_volume_snapshots, local.share_volume_snapshots, local.use_volume_keys, local.clear_volume_copies,
      local.tell, local.announce, local.read_secrets.notify, local.never, local.never_delete_databases, local.run.cross-region-copy,
    )
    # The checker: it lists and reads, and writes nothing but its report and what it told to whom.
    freshness-checker = concat(
      local.read_records, local.use_vault_key, local.read_copies, local.use_copy_keys,
      local.report, local.act_in_other_accounts, local.look_at_databases, local.look_at_posture, local.look_at_buckets, local.look_at_schedules, local.prove_keys,
      local.look_at_volumes, local.look_at_caches, local.look_at_other_keys,
      local.tell, local.read_secrets.notify, local.read_secrets.heartbeat, local.read_secrets.wal, local.never, local.never_write_backups, local.never_delete_databases, local.run.freshness-checker,
    )
    # The drill, which is its own janitor: every run sweeps replicas that have expired.
    restore-drill = concat(
      local.read_records, local.keep_records, local.read_exports, local.use_vault_key, local.read_copies, local.read_copied_exports, local.use_copy_keys,
      local.look_at_databases, local.make_replicas, local.use_database_keys, local.look_at_volumes, local.make_volumes, local.use_volume_keys,
      local.make_replicas_of_moments, local.make_replicas_of_fleets, local.test_restores, [for statement in local.look_at_continuous_backups : statement if length(local.moment_drills) > 0],
      local.read_secrets.drills, local.read_secrets.keys, local.read_secrets.evidence,
      local.tell, local.announce, local.read_secrets.notify, local.never, local.never_write_backups, local.never_touch_production, local.never_change_others, local.never_touch_fleets, local.never_touch_volumes, local.run.restore-drill,
    )
    # EventBridge Scheduler.
    scheduler = concat(
      [
        { Sid = "WakeFunctions", Effect = "Allow", Action = ["lambda:InvokeFunction"], Resource = [for name in keys(local.functions) : local.function_arns[name]] },
        { Sid = "KeepUndelivered", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = [aws_sqs_queue.undelivered.arn] },
      ],
      local.run_tasks,
    )
    # Operators in an incident: see operators.tf.
    recover = concat(
      local.read_records, local.keep_records, local.read_exports, local.use_vault_key, local.read_copies, local.read_copied_exports, local.use_copy_keys,
      local.look_at_databases, local.look_at_continuous_backups, local.restore_beside, local.use_database_keys, local.look_at_volumes, local.restore_volumes, local.use_volume_keys,
      local.take_back, local.list_secrets, local.bring_secrets_back, local.never_move_secrets, local.read_secrets.sources, local.read_secrets.keys, local.never, local.never_delete_others,
    )
    pruner = concat(
      local.read_records, local.keep_records, local.use_vault_key, local.read_copies, local.use_copy_keys,
      local.look_at_databases, local.look_at_posture, local.let_go, local.act_in_other_accounts, local.never, local.never_delete_databases,
      local.look_at_volumes, local.let_go_of_volumes, local.look_at_caches, local.let_go_of_caches,
    )
  }

  function_arns = { for name in keys(local.functions) : name => "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}-${name}" }

  # What running as a Lambda takes: its own logs, its dead letters, and the network interfaces that Lambda (and never our
  # code: see InterfacesAreLambdas) makes for it.
  run = {
    for name, function in local.all_functions : name => [for statement in [
      { Sid = "WriteLogs", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${var.name}-${name}:*"] },
      { Sid = "KeepFailed", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = [aws_sqs_queue.failed.arn] },
      {
        Sid      = "JoinNetwork", Effect = "Allow"
        Action   = ["ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"]
        Resource = ["*"]
      },
      {
        Sid       = "InterfacesAreLambdas", Effect = "Deny"
        Action    = ["ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"]
        Resource  = ["*"]
        Condition = { ArnEquals = { "lambda:SourceFunctionArn" = "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}-${name}" } }
      },
      { Sid = "WriteTraces", Effect = "Allow", Action = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], Resource = ["*"] },
      ] : statement if(
      contains(["JoinNetwork", "InterfacesAreLambdas"], statement.Sid) ? try(local.networks[name], null) != null :
      statement.Sid == "WriteTraces" ? var.tracing : true
    )]
  }
}
