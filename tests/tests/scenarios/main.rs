//! Teams' runbooks, end to end.

mod cleaning;
mod deployed;
mod memorystore;
mod pegasus;
mod rds;
mod rds_fleet;
mod rds_moment;
mod rds_restore;
mod rds_restore_tests;
mod roadtrip;
mod transcripts;
mod volumes;
mod volumes_gcp;
