//! One secret as one line of JSON, which `jq` reads: `{"format":1,"name":"db","version":"7","value":"…",…}`. A text stands there as it
//! is (`value`), anything else as base64 (`binary`). The digest of a value is in its line alone, inside the encryption.

use super::{Listed, Version};
use crate::{
    clock::Timestamp,
    error::{Error, Result, corrupt, failed, unsupported},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt};
use zeroize::{Zeroize, Zeroizing};

/// The format of a line; a newer one is refused, never guessed.
const FORMAT: u32 = 1;

/// The most bytes of a value: what both clouds' stores allow.
pub(crate) const LONGEST_VALUE: usize = 64 << 10;

/// The most bytes of a line: a value of control characters alone takes six for each, and labels and settings have room.
pub(crate) const LONGEST_LINE: usize = 1 << 20;

/// Why a secret has no value that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Without {
    /// Its version is disabled.
    Disabled,
    /// Its version was destroyed.
    Destroyed,
    /// It is to be deleted.
    ScheduledForDeletion,
    /// It has no version that counts, or was deleted while the export ran.
    NoVersion,
}

/// What a store must be told, besides name, labels and value, to make a secret anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The key that its store encrypts it with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
    /// Where Google keeps it, in Google's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<Value>,
    /// Google's annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Who alone may write to it: the service of Amazon's that made it and rotates it, or the region that it is a replica of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// A value. It is wiped when it goes, and has no way into a log.
#[derive(Clone, PartialEq, Eq)]
pub enum Payload {
    /// A text.
    Text(Zeroizing<String>),
    /// Bytes that are none.
    Binary(Zeroizing<Vec<u8>>),
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload(…)")
    }
}

impl Payload {
    /// A text where the bytes are one, else the bytes.
    pub fn of(bytes: Zeroizing<Vec<u8>>) -> Self {
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::Text(Zeroizing::new(text.to_owned())),
            Err(_) => Self::Binary(bytes),
        }
    }

    /// The bytes of it.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// A line that was read and whose value has the digest that it says.
#[derive(Debug, Clone)]
pub struct Line {
    /// The secret's name.
    pub name: String,
    /// The id of the version; none where there was no value.
    pub version: Option<String>,
    /// Its labels or tags.
    pub labels: BTreeMap<String, String>,
    /// What else its store must be told to make it anew.
    pub settings: Settings,
    /// Its value.
    pub payload: Option<Payload>,
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    without: Option<Without>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_created: Option<Timestamp>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_default")]
    settings: &'a Settings,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
}

fn is_default(settings: &Settings) -> bool {
    *settings == Settings::default()
}

#[derive(Deserialize)]
struct Form {
    format: u32,
}

#[derive(Deserialize)]
struct Read {
    name: String,
    version: Option<String>,
    without: Option<Without>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    settings: Settings,
    #[serde(default, deserialize_with = "wiped")]
    value: Option<Zeroizing<String>>,
    #[serde(default, deserialize_with = "wiped")]
    binary: Option<Zeroizing<String>>,
    bytes: Option<usize>,
    sha256: Option<String>,
}

fn wiped<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(Option::<String>::deserialize(text)?.map(Zeroizing::new))
}

/// Writes the line of a secret, with its line break.
pub(super) fn written(listed: &Listed, version: Result<&Version, Without>) -> Result<Zeroizing<Vec<u8>>> {
    let payload = version.as_ref().ok().map(|version| &version.payload);
    if payload.is_some_and(|payload| payload.bytes().len() > LONGEST_VALUE) {
        return Err(unsupported(format!("secret {} has more than 64 KiB", listed.name)));
    }
    let digest = payload.map(|payload| Zeroizing::new(hex::encode(Sha256::digest(payload.bytes()))));
    let (value, binary) = match payload {
        Some(Payload::Text(text)) => (Some(text.as_str()), None),
        Some(Payload::Binary(bytes)) => (None, Some(Zeroizing::new(STANDARD.encode(bytes)))),
        None => (None, None),
    };
    let line = Written {
        format: FORMAT,
        name: &listed.name,
        version: version.as_ref().ok().map(|version| version.id.as_str()),
        without: version.as_ref().err().copied(),
        created: listed.created,
        version_created: version.as_ref().ok().and_then(|version| version.made),
        labels: &listed.labels,
        settings: &listed.settings,
        value,
        binary: binary.as_ref().map(|binary| binary.as_str()),
        bytes: payload.map(|payload| payload.bytes().len()),
        sha256: digest.as_ref().map(|digest| digest.as_str()),
    };
    // Room for all of it, so that no half of a value stays behind where the buffer grew.
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST_LINE));
    serde_json::to_writer(&mut *text, &line).map_err(|_| failed(format!("secret {} cannot be written as a line", listed.name)))?;
    text.push(b'\n');
    if text.len() > LONGEST_LINE {
        return Err(unsupported(format!("secret {} has labels and settings of more than a line may hold", listed.name)));
    }
    // The caller keeps what it has, not the room.
    let line = Zeroizing::new(text.to_vec());
    text.zeroize();
    Ok(line)
}

impl Line {
    /// Reads a line, without its line break. `number` is how errors call it; nothing of it is ever repeated.
    pub(super) fn read(text: &[u8], number: usize) -> Result<Self> {
        let bad = |why: &str| -> Error { corrupt(format!("line {number} of the export {why}")).hint("restore another backup or a copy") };
        // What serde says of a value that it did not expect repeats it, and so is never told.
        let Form { format } = serde_json::from_slice(text).map_err(|_| bad("is no line of secrets"))?;
        if format != FORMAT {
            return Err(unsupported(format!("line {number} of the export has format {format}, this build knows {FORMAT}"))
                .hint("use a newer build, or open it by hand with gpg, zstd and jq"));
        }
        let read: Read = serde_json::from_slice(text).map_err(|_| bad("is no line of secrets"))?;
        let Read { name, version, without, labels, settings, value, binary, bytes, sha256 } = read;
        let payload = match (value, binary) {
            (Some(value), None) => Some(Payload::Text(value)),
            (None, Some(binary)) => {
                let bytes = STANDARD.decode(&*binary).map_err(|_| bad("holds no base64"))?;
                Some(Payload::Binary(Zeroizing::new(bytes)))
            }
            (None, None) => None,
            (Some(_), Some(_)) => return Err(bad("has two values")),
        };
        if version.is_some() != payload.is_some() || without.is_some() == payload.is_some() || name.is_empty() {
            return Err(bad("says neither a value nor why there is none"));
        }
        if let Some(payload) = &payload {
            let digest = Zeroizing::new(hex::encode(Sha256::digest(payload.bytes())));
            if bytes != Some(payload.bytes().len()) || sha256.as_deref() != Some(digest.as_str()) {
                return Err(bad("holds another value than it says"));
            }
        }
        Ok(Self { name, version, labels, settings, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn listed(name: &str) -> Listed {
        Listed { name: name.to_owned(), ..Listed::default() }
    }

    fn version(id: &str, bytes: &[u8]) -> Version {
        Version { id: id.to_owned(), made: None, payload: Payload::of(Zeroizing::new(bytes.to_vec())) }
    }

    fn line(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
        written(&listed("db"), Ok(&version("7", bytes))).unwrap()
    }

    fn read(text: &[u8]) -> Result<Line> {
        Line::read(text.strip_suffix(b"\n").unwrap_or(text), 3)
    }

    #[test]
    fn r50_a_line_of_format_1_stays_as_it_is() {
        let mut shown = listed("db-password");
        shown.created = Some("2026-11-01T08:00:00Z".parse().unwrap());
        shown.labels = [("team".to_owned(), "shop".to_owned())].into();
        shown.settings.description = Some("of the shop".to_owned());
        let golden = concat!(
            r#"{"format":1,"name":"db-password","version":"7","created":"2026-11-01T08:00:00Z","labels":{"team":"shop"},"#,
            r#""settings":{"description":"of the shop"},"value":"hunter2\n","bytes":8,"#,
            r#""sha256":"bc9a06d9e9c4eae6f4cdc1e3f7c6ce1c7a5ba8b2e1f6d7d9a1b2f9d1c0f0e0d0"}"#,
            "\n"
        );
        let text = String::from_utf8(written(&shown, Ok(&version("7", b"hunter2\n"))).unwrap().to_vec()).unwrap();
        let digest = hex::encode(Sha256::digest(b"hunter2\n"));
        assert_eq!(text, golden.replace("bc9a06d9e9c4eae6f4cdc1e3f7c6ce1c7a5ba8b2e1f6d7d9a1b2f9d1c0f0e0d0", &digest));
        let back = read(text.as_bytes()).unwrap();
        assert_eq!((back.name.as_str(), back.version.as_deref()), ("db-password", Some("7")));
        assert_eq!(back.payload.unwrap().bytes(), b"hunter2\n");
        let none = written(&listed("old"), Err(Without::ScheduledForDeletion)).unwrap();
        assert_eq!(none.as_slice(), b"{\"format\":1,\"name\":\"old\",\"without\":\"scheduled-for-deletion\"}\n");
        assert!(read(&none).unwrap().payload.is_none());
    }

    #[test]
    fn r44_sixty_four_kib_of_any_bytes_come_back_as_they_were() {
        let noise: Vec<u8> = (0..LONGEST_VALUE).map(|n| u8::try_from(n * 7 % 256).unwrap()).collect();
        for bytes in [b"".to_vec(), b"\0\xff\xfe".to_vec(), vec![1; LONGEST_VALUE], vec![b'x'; LONGEST_VALUE], noise, "ü\u{2028}🦀".into()]
        {
            let text = line(&bytes);
            assert_eq!(text.iter().position(|byte| *byte == b'\n'), Some(text.len() - 1), "one line");
            assert_eq!(read(&text).unwrap().payload.unwrap().bytes(), bytes);
        }
        let much = written(&listed("db"), Ok(&version("7", &vec![b'x'; LONGEST_VALUE + 1]))).unwrap_err();
        assert!(much.to_string().contains("secret db has more than 64 KiB"), "{much}");
    }

    #[test]
    fn r45_a_line_that_is_damaged_is_never_good_and_never_repeated() {
        let good = String::from_utf8(line(b"c4nary-value").to_vec()).unwrap();
        for (from, to) in [
            ("c4nary", "c5nary"),
            ("\"version\":\"7\",", ""),
            ("\"bytes\":12", "\"bytes\":11"),
            ("\"value\":\"c4nary-value\"", "\"value\":[\"c4nary-value\"]"),
            ("\"value\":\"c4nary-value\"", "\"binary\":\"c4nary-value!\""),
            ("\"value\":", "\"binary\":\"\",\"value\":"),
            ("\"format\":1", "\"format\":\"c4nary\""),
            ("\"name\":\"db\"", "\"name\":\"\""),
        ] {
            assert!(good.contains(from), "{from}");
            let error = read(good.replace(from, to).as_bytes()).unwrap_err();
            assert_eq!(error.kind(), Kind::Corrupt, "{to}");
            assert!(error.full().contains("line 3") && !error.full().contains("nary"), "{}", error.full());
        }
        let newer = read(good.replace("\"format\":1", "\"format\":2").as_bytes()).unwrap_err();
        assert_eq!(newer.kind(), Kind::Unsupported);
    }

    #[test]
    fn r45_a_value_is_not_shown_by_whoever_prints_what_holds_it() {
        let shown = format!("{:?} {:?}", version("7", b"c4nary"), read(&line(b"c4nary")).unwrap());
        assert!(!shown.contains("c4nary"), "{shown}");
    }
}
