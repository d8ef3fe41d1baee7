//! What the double holds.

use super::{multipart::Parts, sessions::Session, tokens::Tokens};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use lastgood_core::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct World {
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) sessions: BTreeMap<String, Session>,
    pub(super) multipart: BTreeMap<String, Parts>,
    pub(super) rewrites: BTreeMap<String, u64>,
    pub(super) tokens: Tokens,
    pub(super) pages: usize,
    /// Whether it is as easy as it can be on its callers, for a bench against tools that are not ours.
    pub(super) easy: bool,
    generation: u64,
}

#[derive(Default)]
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<String, Object>,
    pub(super) description: Value,
    pub(super) policy: Value,
    pub(super) retained: bool,
    /// Every name that an object ever had.
    pub(super) ever: BTreeSet<String>,
    /// The rights that its user lacks.
    pub(super) lacking: BTreeSet<String>,
}

#[derive(Clone)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) bytes: Bytes,
    pub(super) generation: u64,
    pub(super) crc32c: String,
    pub(super) created: String,
    pub(super) metadata: Value,
    pub(super) class: Value,
}

impl World {
    /// The next generation; no two writes have the same.
    pub(super) fn tick(&mut self) -> u64 {
        self.generation += 1;
        1_700_000_000_000_000 + self.generation
    }

    /// Stores an object if the generation that stands there is the expected one.
    pub(super) fn store(
        &mut self,
        bucket: &str,
        name: &str,
        bytes: Bytes,
        expected: Option<u64>,
        description: &Value,
    ) -> Result<Object, Refusal> {
        check_name(name)?;
        let generation = self.tick();
        let bucket = self.buckets.get_mut(bucket).ok_or(NO_BUCKET)?;
        holds(expected, bucket.objects.get(name))?;
        if bucket.retained && bucket.objects.contains_key(name) {
            return Err(RETAINED);
        }
        let object = Object::new(name, bytes, generation, description);
        bucket.objects.insert(name.to_owned(), object.clone());
        bucket.ever.insert(name.to_owned());
        Ok(object)
    }
}

impl Object {
    pub(super) fn new(name: &str, bytes: Bytes, generation: u64, description: &Value) -> Self {
        let (crc32c, created) = (checksum(&bytes), SystemClock.now().to_string());
        let (metadata, class) = (description["metadata"].clone(), description["storageClass"].clone());
        let metadata = if metadata.is_null() { json!({}) } else { metadata };
        let class = if class.is_null() { "STANDARD".into() } else { class };
        Self { name: name.to_owned(), bytes, generation, crc32c, created, metadata, class }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "kind": "storage#object", "name": self.name, "size": self.bytes.len().to_string(), "generation": self.generation.to_string(),
            "metageneration": "1", "crc32c": self.crc32c, "timeCreated": self.created, "metadata": self.metadata,
            "storageClass": self.class,
        })
    }

    pub(super) fn damage(&mut self, at: usize) {
        let mut bytes = self.bytes.to_vec();
        bytes[at] ^= 1;
        self.bytes = bytes.into();
    }
}

/// A refusal: status, reason, message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal(pub(super) u16, pub(super) &'static str, pub(super) &'static str);

pub(super) const NO_BUCKET: Refusal = Refusal(404, "notFound", "The specified bucket does not exist.");
pub(super) const NO_OBJECT: Refusal = Refusal(404, "notFound", "No such object.");
pub(super) const UNMET: Refusal = Refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.");
pub(super) const RETAINED: Refusal = Refusal(403, "retentionPolicyNotMet", "Object is subject to the bucket's retention policy.");

/// Whether a generation precondition holds; 0 is: there is none.
pub(super) fn holds(expected: Option<u64>, standing: Option<&Object>) -> Result<(), Refusal> {
    match expected {
        Some(expected) if expected != standing.map_or(0, |object| object.generation) => Err(UNMET),
        _ => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let bad = name.is_empty() || name.len() > 1024 || name.contains(['\r', '\n']) || matches!(name, "." | "..");
    if bad || name.starts_with(".well-known/acme-challenge/") { Err(Refusal(400, "invalid", "Bad object name.")) } else { Ok(()) }
}

static FAST: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Counts with a fast crate from now on: for a bench, where the double's own work must not be what is measured.
pub(super) fn count_fast() {
    FAST.store(true, std::sync::atomic::Ordering::Relaxed);
}

/// CRC-32C bit by bit, so that it has nothing in common with what it checks.
pub(super) fn checksum(bytes: &[u8]) -> String {
    if FAST.load(std::sync::atomic::Ordering::Relaxed) {
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes);
        return STANDARD.encode(u32::try_from(crc).unwrap_or_default().to_be_bytes());
    }
    static TABLE: std::sync::LazyLock<[u32; 256]> = std::sync::LazyLock::new(|| {
        std::array::from_fn(|index| {
            (0..8).fold(u32::try_from(index).unwrap_or_default(), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 })
        })
    });
    let crc = !bytes.iter().fold(!0_u32, |crc, byte| (crc >> 8) ^ TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize]);
    STANDARD.encode(crc.to_be_bytes())
}
