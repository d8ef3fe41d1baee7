output "services" {
  description = "The services' names, to call by hand."
  value       = { for name, service in google_cloud_run_v2_service.function : name => service.name }
}

output "jobs" {
  description = "The jobs' names: `gcloud run jobs execute NAME`."
  value       = { for name, job in local.jobs : name => job.job }
}

output "accounts" {
  description = "The service accounts, for the policies of other projects and for the databases' own roles."
  value       = local.emails
}

output "config_url" {
  description = "Where the functions read the config: `lastgood status --config …` reads the same."
  value       = local.config_url
}

output "permissions" {
  description = "What each account was granted, by name."
  value = { for account in keys(local.account_names) : account => sort(distinct(concat(
    [for key, grant in local.granted : grant.grant if grant.account == account],
    [for key, grant in local.bucket_granted : split(".", key)[1] if grant.account == account],
    length([for key, secret in local.secret_granted : key if secret.account == account]) > 0 ? ["ReadSecrets"] : [],
    length([for key, teller in local.tellers : key if teller.account == account]) > 0 ? ["Tell"] : [],
    account == "wake" ? ["WakeFunctions"] : [],
  ))) }
}
