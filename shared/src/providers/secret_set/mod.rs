//! A set of secrets as one asset: exported as one JSON line each, opened again by a drill, brought back beside what is there.
//!
//! An export holds, of every secret, one whole version and the id that its store gave to just that version; one without a value that
//! counts is told as such. A value is held for one line at a time and wiped; it is in the encrypted artifact and nowhere else: not in
//! a manifest, a log, an error or on a disk, and neither is a digest of one, from which a short value could be guessed. Bringing
//! back makes new secrets and new versions and moves no label: what is in use stays in use until an operator says otherwise.

mod beside;
mod export;
mod file;
mod line;
mod read;
mod scratch;
#[cfg(test)]
mod shelf;
mod store;

pub use beside::{BesideSecrets, Wanted};
pub use export::SecretExports;
pub use file::NewFile;
pub use line::{Line, Payload, Settings, Without};
pub use scratch::SecretScratch;
pub use store::{Brought, Current, Keeper, Listed, Store, Version, Way};

pub(crate) use read::{Lines, checked};
#[cfg(any(feature = "aws", feature = "gcp"))]
pub(crate) use store::beside;
