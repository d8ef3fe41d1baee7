//! Amazon's services: S3 (and stores that speak its protocol), RDS, EBS, ElastiCache, AWS Backup, Secrets Manager, SNS,
//! EventBridge and its scheduler.
//!
//! Credentials, region and endpoint come from where every AWS tool takes them; see [`Settings`] and [`Access`]. Nothing is
//! asked of AWS before the first call.

pub mod backup;
mod bucket;
mod call;
mod class;
mod client;
mod copy;
pub mod ebs;
pub mod elasticache;
mod error;
mod events;
mod kept;
mod kept_xml;
mod keys;
mod login;
mod marks;
mod presign;
pub mod rds;
mod read;
mod scheduler;
mod secrets;
mod ses;
mod shared;
mod sns;
mod sweep;
mod upload;

pub use bucket::S3;
pub use client::{Checksums, Settings};
pub use events::Events;
pub use keys::AwsKeys;
pub use login::IamLogin;
pub use scheduler::Scheduler;
pub use secrets::{AwsSecretSet, AwsSecrets};
pub use ses::Ses;
pub use shared::{Access, Aws, https};
pub use sns::Sns;

use super::again::{chance, pause};
