//! An object as Cloud Storage describes it.

use crate::{
    clock::Timestamp,
    error::{Result, corrupt, failed},
    ports::{ObjectMeta, Version},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use crc_fast::{CrcAlgorithm, Digest};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The name of the mark that each of our writes carries in the object's metadata.
pub(super) const MARK: &str = "lastgood-write";
/// The same in the words of the XML interface.
pub(super) const MARK_HEADER: &str = "x-goog-meta-lastgood-write";

/// What is asked of it where a whole description is not needed.
pub(super) const FIELDS: &str = "name,size,generation,crc32c,timeCreated,metadata";

/// An object's description. Numbers come as text.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) size: String,
    pub(super) generation: String,
    #[serde(default)]
    pub(super) crc32c: Option<String>,
    time_created: String,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

impl Object {
    /// The mark of the write that made it.
    pub(super) fn mark(&self) -> Option<&str> {
        self.metadata.as_ref()?.get(MARK).map(String::as_str)
    }

    pub(super) fn size(&self) -> Result<u64> {
        self.size.parse().map_err(|_| failed(format!("the store gave {} an impossible size", self.name)))
    }

    /// What a bucket tells of it, under its key below a place.
    pub(super) fn meta(&self, key: &str) -> Result<ObjectMeta> {
        let modified: Timestamp = self.time_created.parse().map_err(|error| failed("the store gave an impossible time").because(error))?;
        Ok(ObjectMeta { key: key.to_owned(), size: self.size()?, version: Version(self.generation.clone()), modified })
    }

    /// Whether it is what was sent: so many bytes with this checksum.
    pub(super) fn is(&self, size: u64, checksum: &str) -> Result<()> {
        match (self.size()?, self.crc32c.as_deref()) {
            (stored, _) if stored != size => Err(corrupt(format!("{} has {stored} bytes, and should have {size}", self.name))),
            (_, Some(stored)) if stored != checksum => {
                Err(corrupt(format!("{} has CRC32C {stored}, and should have {checksum}", self.name)))
            }
            (_, Some(_)) => Ok(()),
            (_, None) => Err(corrupt(format!("the store did not say the CRC32C of {}", self.name))),
        }
    }
}

/// A running CRC32C.
pub(super) fn checksum() -> Digest {
    Digest::new(CrcAlgorithm::Crc32Iscsi)
}

/// A CRC32C as Google writes it: the four bytes, greatest first, in base64.
#[expect(clippy::cast_possible_truncation, reason = "a CRC32C has 32 bits")]
pub(super) fn written(crc: u64) -> String {
    STANDARD.encode((crc as u32).to_be_bytes())
}

/// The CRC32C of some bytes, as Google writes it.
pub(super) fn checksum_of(bytes: &[u8]) -> String {
    written(crc_of(bytes))
}

/// The CRC32C of some bytes.
pub(super) fn crc_of(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes)
}

/// The CRC32C of bytes with that of the first, followed by `length` bytes with that of the second.
pub(super) fn joined(first: u64, second: u64, length: u64) -> u64 {
    if length == 0 { first } else { crc_fast::checksum_combine(CrcAlgorithm::Crc32Iscsi, first, second, length) }
}

/// The CRC32C in a header `x-goog-hash: crc32c=…,md5=…`.
pub(super) fn in_header(value: &str) -> Option<&str> {
    value.split(',').find_map(|part| part.trim().strip_prefix("crc32c="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_written_as_google_writes_them() {
        // The check value of CRC-32/ISCSI is e3069283.
        assert_eq!(checksum_of(b"123456789"), "4waSgw==");
        let mut running = checksum();
        running.update(b"12345");
        running.update(b"6789");
        assert_eq!(written(running.finalize()), "4waSgw==");
        let parts = [&b"1"[..], b"2345", b"", b"6789"];
        assert_eq!(written(parts.iter().fold(0, |sum, part| joined(sum, crc_of(part), part.len() as u64))), "4waSgw==");
        assert_eq!(in_header("crc32c=4waSgw==,md5=JfnnlDI7RTiF9RgfG2JNCw=="), Some("4waSgw=="));
        assert_eq!(in_header("md5=x"), None);
    }

    #[test]
    fn an_object_that_is_not_what_was_sent_is_corrupt() {
        let text = r#"{"name": "k", "size": "9", "generation": "17", "crc32c": "4waSgw==", "timeCreated": "2026-11-20T04:00:00.123Z"}"#;
        let object: Object = serde_json::from_str(text).unwrap();
        object.is(9, "4waSgw==").unwrap();
        assert!(object.is(8, "4waSgw==").is_err() && object.is(9, "AAAAAA==").is_err());
        assert_eq!(object.meta("k").unwrap().version, Version("17".into()));
        assert!(Object { crc32c: None, ..object }.is(9, "4waSgw==").is_err(), "no checksum is no proof");
    }
}
