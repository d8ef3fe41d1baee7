//! This machine: folders as vaults, files and environment variables as secrets.

mod bucket;
mod layout;
mod secrets;
mod upload;

pub use bucket::Folder;
pub use secrets::LocalSecrets;
