output "functions" {
  description = "The functions' names, to invoke by hand."
  value       = { for name, function in aws_lambda_function.function : name => function.function_name }
}

output "roles" {
  description = "The functions' roles, for the policies of other accounts."
  value       = { for name, role in aws_iam_role.function : name => role.arn }
}

output "operator_roles" {
  description = "The roles that operators assume."
  value       = { for name, role in aws_iam_role.operator : name => role.arn }
}

output "config_url" {
  description = "Where the functions read the config: `lastgood status --config …` reads the same."
  value       = "s3://${local.vault.bucket}/${local.config_key}"
}

output "topic" {
  description = "The topic of the alarms."
  value       = local.topic_arn
}

output "drill_into" {
  description = "What a drill of an RDS asset says in lastgood.yaml under `into`."
  value       = local.drills_on_rds ? { rds = { subnet_group = local.drill_subnet_group, security_groups = [aws_security_group.replica[0].id] } } : null
}

output "permissions" {
  description = "Every role's statements, by role: what is allowed, and what is never."
  value       = { for role, statements in local.permissions : role => [for statement in statements : statement.Sid] }
}
