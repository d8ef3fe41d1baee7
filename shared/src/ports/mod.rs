//! What Lastgood needs of the world, as small traits. `begin_*` starts and returns at once; a noun observes.
//!
//! Nothing here names a cloud. Adapters are in [`crate::providers`]; harsher-than-life fakes in `crate::testing`.

mod announce;
mod bucket;
mod export;
mod extracts;
mod keys;
mod monitor;
mod names;
mod notify;
mod providers;
mod replica;
mod restore_tests;
mod schedules;
mod secrets;
mod snapshots;
mod target;
mod wal;

pub use announce::Announcer;
pub use bucket::{Bucket, ByteStream, If, Listed, ObjectMeta, Upload, Version};
pub use export::{Ask, Dump, Exporter, Facts, Piece, Preflight};
pub use extracts::{ExtractSeen, ExtractState, Extracts};
pub use keys::Keys;
pub use monitor::{Monitor, Numbers};
pub use names::{RESERVED, check_key, check_prefix};
pub use notify::{Letter, Notifier};
pub use providers::Providers;
pub use replica::{Replica, ReplicaName, Replicas, Rows, Sighting};
pub use restore_tests::RestoreTests;
pub use schedules::Schedules;
pub use secrets::{Secret, Secrets};
pub use snapshots::{Readiness, Snapshots, SourceSeen};
pub use target::{Confirmation, NewDisk, NewInstance, NewSecrets, NewSqlInstance, NewVolume, RestoreTarget, Target};
pub use wal::WalArchive;
