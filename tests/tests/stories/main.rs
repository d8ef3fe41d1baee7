//! What a team sees Lastgood do: whole stories over real Postgres, real archives and real vaults.

mod aws;
mod command;
mod config;
mod copy;
mod drill;
mod encryption;
mod events;
mod export;
mod fleet;
mod freshness;
mod hosts;
mod iam;
mod metrics;
mod notices;
mod posture;
mod prune;
mod rds;
mod restore;
mod scale;
mod secrets;
mod snapshot;
mod sns;
mod verify;
