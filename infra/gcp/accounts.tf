# One service account for each function, one that wakes them, and two that operators act as. What each may do stands in
# permissions.tf.

locals {
  account_names = merge(
    { for name, function in local.functions : name => "${var.name}-${function.short}" },
    { wake = "${var.name}-wake", recover = "${var.name}-recover", pruner = "${var.name}-pruner" },
  )
  # Known before the accounts are made.
  emails = { for name, account in local.account_names : name => "${account}@${local.email_project}.iam.gserviceaccount.com" }
  # The project of `example.com:acme` stands the other way round in an address.
  email_project = join(".", reverse(split(":", var.project)))
  members       = { for name, email in local.emails : name => "serviceAccount:${email}" }
}

resource "google_service_account" "function" {
  for_each     = local.functions
  project      = var.project
  account_id   = local.account_names[each.key]
  display_name = "Lastgood: ${each.key}"
}

resource "google_service_account" "wake" {
  project      = var.project
  account_id   = local.account_names.wake
  display_name = "Lastgood: wakes the functions, and may do nothing else"
}

resource "google_service_account" "operator" {
  for_each     = toset(["recover", "pruner"])
  project      = var.project
  account_id   = local.account_names[each.key]
  display_name = "Lastgood: ${each.key}, by hand"
}

# Operators act as these accounts with `gcloud --impersonate-service-account`, for an hour at a time; nobody has a key.
resource "google_service_account_iam_member" "operator" {
  for_each           = { for pair in setproduct(["recover", "pruner"], var.operators) : "${pair[0]}.${pair[1]}" => { account = pair[0], member = pair[1] } }
  service_account_id = google_service_account.operator[each.value.account].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = each.value.member
}
