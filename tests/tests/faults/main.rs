//! What happens when things break: kills, lost replies, flipped bytes, full disks, hostile input.

mod bytes;
mod clouds;
mod cloudsql;
mod drill;
mod gcs_parts;
mod hostile;
mod kills;
mod managed;
mod memorystore_gcp;
mod notify;
mod postgres;
mod rds;
mod rds_aws;
mod rds_moment;
mod rds_restore_tests;
mod replaced;
mod rights;
mod store;
mod strangers;
mod volumes_aws;
mod volumes_gcp;
