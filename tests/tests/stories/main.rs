//! What a team sees Lastgood do: whole stories over real Postgres, real archives and real vaults.

mod analytics;
mod aws;
mod aws_moments;
mod buckets;
mod changes;
mod command;
mod config;
mod copy;
mod drill;
mod encryption;
mod events;
mod export;
mod freshness;
mod hosts;
mod iam;
mod keys;
mod metrics;
mod notices;
mod posture;
mod prune;
mod rds;
mod restore;
mod secrets;
mod snapshot;
mod sns;
mod verify;
