//! The envelope of every record: what it is, of which version, and a seal over its contents.
//!
//! The seal is the SHA-256 of the contents as compact JSON with sorted keys. It is no signature: it tells a flipped bit
//! or a hand that slipped, so that nothing is ever concluded from a damaged record.

use crate::{
    domain::{backup::Manifest, run::Run},
    error::{Result, corrupt, failed, unsupported},
};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Something that outlives a deploy. A change that an older reader would misread raises the version.
pub trait Record: Serialize + DeserializeOwned + Send + Sync {
    /// What it is: `manifest`, `run`, …
    const NAME: &'static str;
    /// The version that is written. Older ones stay readable; newer ones are refused.
    const VERSION: u64 = 1;
}

impl Record for Manifest {
    const NAME: &'static str = "manifest";
}

impl Record for Run {
    const NAME: &'static str = "run";
}

/// Returns a record as it is stored.
pub fn encode<R: Record>(record: &R) -> Result<Bytes> {
    let value = serde_json::to_value(record).map_err(|error| failed("writing a record").because(error))?;
    let Value::Object(body) = value else { return Err(failed("a record is not an object")) };
    let mut sealed = Map::new();
    sealed.insert("record".into(), R::NAME.into());
    sealed.insert("version".into(), R::VERSION.into());
    sealed.extend(body);
    let seal = seal(&sealed)?;
    sealed.insert("seal".into(), seal.into());
    let mut text = serde_json::to_vec_pretty(&sealed).map_err(|error| failed("writing a record").because(error))?;
    text.push(b'\n');
    Ok(text.into())
}

/// Reads a record, or says why it is none: damaged, of another kind, or of a newer version.
pub fn decode<R: Record>(bytes: &[u8]) -> Result<R> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| corrupt(format!("not a {}", R::NAME)).because(error))?;
    let Value::Object(mut body) = value else { return Err(corrupt(format!("not a {}", R::NAME))) };
    let claimed = body.remove("seal");
    if claimed.as_ref().and_then(Value::as_str) != Some(seal(&body)?.as_str()) {
        return Err(corrupt(format!("the {} does not match its seal: it was damaged or changed", R::NAME)));
    }
    if body.remove("record").as_ref().and_then(Value::as_str) != Some(R::NAME) {
        return Err(corrupt(format!("not a {}", R::NAME)));
    }
    match body.remove("version").as_ref().and_then(Value::as_u64) {
        Some(version) if version <= R::VERSION && version > 0 => {}
        Some(version) => {
            return Err(unsupported(format!("the {} is of version {version}, this program reads up to {}", R::NAME, R::VERSION))
                .hint("use the newer Lastgood that wrote it"));
        }
        None => return Err(corrupt(format!("the {} has no version", R::NAME))),
    }
    serde_json::from_value(Value::Object(body)).map_err(|error| corrupt(format!("not a readable {}", R::NAME)).because(error))
}

fn seal(body: &Map<String, Value>) -> Result<String> {
    let mut sorted: Vec<_> = body.iter().collect();
    sorted.sort_by_key(|(key, _)| *key);
    let sorted: std::collections::BTreeMap<_, _> = sorted.into_iter().collect();
    let text = serde_json::to_vec(&sorted).map_err(|error| failed("sealing a record").because(error))?;
    Ok(hex::encode(Sha256::digest(text)))
}
