//! OpenPGP around what is stored: to the recipients' public keys, opened again by `gpg --decrypt` or by us.
//!
//! What is written is what every `gpg` since 2.0 reads: AES-256 with a modification detection code (SEIPD version 1),
//! binary, without OpenPGP's own compression (zlib would cost ten times what zstd just saved).

mod keys;
mod recipients;

pub use keys::Keys;
pub use recipients::Recipients;

use pgp::{packet::Signature, types::KeyDetails};

/// Returns a key's id as `gpg` shows it, in upper-case hex.
fn key_id(key: &impl KeyDetails) -> String {
    hex::encode_upper(key.legacy_key_id())
}

/// Returns the newest of some signatures.
fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| signature.created().map(pgp::types::Timestamp::as_secs))
}
