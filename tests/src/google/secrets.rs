//! Secret Manager: secrets, their versions and their states, pages of them, and who may do what.

use super::{PROJECT, TOKEN};
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What it holds, and how it is about to behave.
#[derive(Default)]
pub struct Secrets {
    /// By `secrets/NAME` of the project; versions count from 1.
    held: BTreeMap<String, Held>,
    /// Answers that come before the good ones.
    pub trouble: VecDeque<Reply>,
    /// Whether only the token of the metadata server is good.
    pub guarded: bool,
    /// How often it was asked.
    pub asked: usize,
    /// How many secrets a page has; as many as are asked for when 0.
    pub page: usize,
    /// Whether every page says that the same one comes next.
    pub stuck: bool,
    denied: BTreeSet<(String, String)>,
    rotations: BTreeMap<String, (String, Vec<u8>)>,
}

/// A secret.
#[derive(Default)]
struct Held {
    versions: Vec<(Vec<u8>, &'static str)>,
    labels: BTreeMap<String, String>,
    shown: Value,
}

/// What is asked.
pub(super) struct Asked<'a> {
    pub(super) post: bool,
    pub(super) path: &'a str,
    pub(super) query: BTreeMap<String, String>,
    pub(super) body: Value,
    pub(super) bearer: Option<&'a str>,
}

/// An answer that is none.
#[derive(Debug, Clone)]
pub enum Reply {
    /// This status and body.
    Said(u16, String),
    /// The value, with one bit of it flipped on the way.
    Damaged,
}

impl Secrets {
    /// Adds a version; it is the newest.
    pub fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.held.entry(name.to_owned()).or_default().versions.push((value.as_ref().to_vec(), "ENABLED"));
    }

    /// Puts the newest version into a state: `ENABLED`, `DISABLED`, `DESTROYED`.
    pub fn set(&mut self, name: &str, state: &'static str) {
        self.held.get_mut(name).and_then(|held| held.versions.last_mut()).expect("a version").1 = state;
    }

    /// A secret without a value.
    pub fn create(&mut self, name: &str) {
        self.held.entry(name.to_owned()).or_default();
    }

    /// Gives one a label.
    pub fn label(&mut self, name: &str, key: &str, value: &str) {
        self.held.entry(name.to_owned()).or_default().labels.insert(key.to_owned(), value.to_owned());
    }

    /// Takes one away.
    pub fn remove(&mut self, name: &str) {
        self.held.remove(name);
    }

    /// Takes every secret away.
    pub fn clear(&mut self) {
        self.held.clear();
    }

    /// The names of all.
    pub fn names(&self) -> Vec<String> {
        self.held.keys().cloned().collect()
    }

    /// Every version of one, oldest first.
    pub fn versions(&self, name: &str) -> Vec<Vec<u8>> {
        self.held.get(name).map(|held| held.versions.iter().map(|(value, _)| value.clone()).collect()).unwrap_or_default()
    }

    /// The labels of one.
    pub fn labels(&self, name: &str) -> BTreeMap<String, String> {
        self.held.get(name).map(|held| held.labels.clone()).unwrap_or_default()
    }

    /// Takes a right away: of one secret, or of all where none is named.
    pub fn deny(&mut self, right: &str, name: &str) {
        self.denied.insert((right.to_owned(), name.to_owned()));
    }

    /// Gives every right back.
    pub fn allow_all(&mut self) {
        self.denied.clear();
    }

    /// Once one is read, another is rotated.
    pub fn rotate_once_read(&mut self, read: &str, rotated: &str, value: &[u8]) {
        self.rotations.insert(read.to_owned(), (rotated.to_owned(), value.to_vec()));
    }

    fn may(&self, right: &str, name: &str) -> Option<Response> {
        let denied = ["", name].iter().any(|of| self.denied.contains(&(right.to_owned(), (*of).to_owned())));
        denied.then(|| {
            let said = format!("Permission '{right}' denied for resource 'projects/{PROJECT}/secrets/{name}' (or it may not exist).");
            refuse(403, "PERMISSION_DENIED", &said)
        })
    }

    pub(super) fn answer(&mut self, asked: &Asked<'_>) -> Response {
        self.asked += 1;
        if self.guarded && asked.bearer != Some(&format!("Bearer {TOKEN}")) {
            return refuse(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
        }
        let damaged = match self.trouble.pop_front() {
            Some(Reply::Said(status, body)) => return (StatusCode::from_u16(status).expect("a status"), body).into_response(),
            Some(Reply::Damaged) => true,
            None => false,
        };
        let parts: Vec<_> = asked.path.trim_start_matches("/v1/").split('/').collect();
        let ["projects", project, "secrets", ref rest @ ..] = parts[..] else { return refuse(404, "NOT_FOUND", "Not Found") };
        if project != PROJECT {
            let resource = parts.join("/");
            let said = format!("Permission 'secretmanager.versions.access' denied for resource '{resource}' (or it may not exist).");
            return refuse(403, "PERMISSION_DENIED", &said);
        }
        match (asked.post, rest) {
            (false, []) => self.list(&asked.query),
            (true, []) => self.make(asked),
            (false, [name]) => self.get(name),
            (true, [name]) => match name.strip_suffix(":addVersion") {
                Some(name) => self.add_version(name, &asked.body),
                None => refuse(404, "NOT_FOUND", "Not Found"),
            },
            (false, [name, "versions", version]) => match version.strip_suffix(":access") {
                Some(version) => self.access(name, version, damaged),
                None => self.version(name, version),
            },
            _ => refuse(404, "NOT_FOUND", "Not Found"),
        }
    }

    fn shown(&self, name: &str) -> Value {
        let held = &self.held[name];
        let replication = held.shown.get("replication").cloned().unwrap_or_else(|| json!({ "automatic": {} }));
        let annotations = held.shown.get("annotations").cloned().unwrap_or_else(|| json!({}));
        json!({ "name": format!("projects/123456789012/secrets/{name}"), "createTime": "2026-11-01T08:00:00.123456Z", "labels": held.labels,
            "replication": replication, "annotations": annotations, "etag": "\"1\"" })
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Response {
        if let Some(refused) = self.may("secretmanager.secrets.list", "") {
            return refused;
        }
        let wanted = query.get("pageSize").and_then(|size| size.parse().ok()).unwrap_or(25_000);
        let size = if self.page == 0 { wanted } else { self.page };
        let from = query.get("pageToken").and_then(|token| token.parse().ok()).unwrap_or(0);
        let page: Vec<_> = self.held.keys().skip(from).take(size).map(|name| self.shown(name)).collect();
        let next = if self.stuck { "1".to_owned() } else { (from + size).to_string() };
        let more = self.stuck || from + size < self.held.len();
        Json(if more { json!({ "secrets": page, "nextPageToken": next }) } else { json!({ "secrets": page }) }).into_response()
    }

    fn make(&mut self, asked: &Asked<'_>) -> Response {
        let name = asked.query.get("secretId").cloned().unwrap_or_default();
        if let Some(refused) = self.may("secretmanager.secrets.create", &name) {
            return refused;
        }
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 255 || !name.chars().all(word) || asked.body["replication"].is_null() {
            return refuse(
                400,
                "INVALID_ARGUMENT",
                "The provided Secret ID does not match the expected format, or replication is missing.",
            );
        }
        if self.held.contains_key(&name) {
            return refuse(409, "ALREADY_EXISTS", &format!("Secret [projects/123456789012/secrets/{name}] already exists."));
        }
        let labels: BTreeMap<String, String> = serde_json::from_value(asked.body["labels"].clone()).unwrap_or_default();
        let fits =
            |text: &str| text.len() <= 63 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
        if !labels.iter().all(|(key, value)| fits(key) && fits(value)) {
            return refuse(400, "INVALID_ARGUMENT", "Invalid label.");
        }
        self.held.insert(name.clone(), Held { versions: Vec::new(), labels, shown: asked.body.clone() });
        Json(self.shown(&name)).into_response()
    }

    fn get(&self, name: &str) -> Response {
        if let Some(refused) = self.may("secretmanager.secrets.get", name) {
            return refused;
        }
        if self.held.contains_key(name) { Json(self.shown(name)).into_response() } else { gone(name) }
    }

    fn add_version(&mut self, name: &str, body: &Value) -> Response {
        if let Some(refused) = self.may("secretmanager.versions.add", name) {
            return refused;
        }
        let Some(held) = self.held.get_mut(name) else { return gone(name) };
        let value = STANDARD.decode(body["payload"]["data"].as_str().unwrap_or("?")).ok();
        let sum = body["payload"]["dataCrc32c"].as_str().and_then(|sum| sum.parse::<u32>().ok());
        match value {
            Some(value) if value.len() <= 65_536 && sum == Some(checksum(&value)) => held.versions.push((value, "ENABLED")),
            _ => return refuse(400, "INVALID_ARGUMENT", "The payload is too large, or differs from its checksum."),
        }
        let name = format!("projects/123456789012/secrets/{name}/versions/{}", held.versions.len());
        Json(json!({ "name": name, "state": "ENABLED" })).into_response()
    }

    fn at(&self, name: &str, version: &str) -> Option<(usize, &(Vec<u8>, &'static str))> {
        let all = self.held.get(name).map(|held| held.versions.as_slice()).unwrap_or_default();
        let at = if version == "latest" { all.len() } else { version.parse().unwrap_or(0) };
        at.checked_sub(1).and_then(|index| all.get(index)).map(|found| (at, found))
    }

    fn version(&self, name: &str, version: &str) -> Response {
        if let Some(refused) = self.may("secretmanager.versions.get", name) {
            return refused;
        }
        let Some((at, (_, state))) = self.at(name, version) else { return gone(name) };
        Json(json!({ "name": format!("projects/123456789012/secrets/{name}/versions/{at}"), "state": state })).into_response()
    }

    fn access(&mut self, name: &str, version: &str, damaged: bool) -> Response {
        if let Some(refused) = self.may("secretmanager.versions.access", name) {
            return refused;
        }
        if let Some((rotated, value)) = self.rotations.remove(name) {
            self.add(&rotated, value);
        }
        let Some((at, (value, state))) = self.at(name, version) else { return gone(name) };
        if *state != "ENABLED" {
            let said = format!("Secret Version [projects/123456789012/secrets/{name}/versions/{at}] is in {state} state.");
            return refuse(400, "FAILED_PRECONDITION", &said);
        }
        let sum = checksum(value).to_string();
        let mut value = value.clone();
        if damaged {
            value[0] ^= 1;
        }
        let payload = json!({ "data": STANDARD.encode(&value), "dataCrc32c": sum });
        Json(json!({ "name": format!("projects/123456789012/secrets/{name}/versions/{at}"), "payload": payload })).into_response()
    }
}

fn gone(name: &str) -> Response {
    refuse(404, "NOT_FOUND", &format!("Secret [projects/123456789012/secrets/{name}] not found or has no versions."))
}

fn refuse(status: u16, word: &str, message: &str) -> Response {
    let body = json!({ "error": { "code": status, "message": message, "status": word } });
    (StatusCode::from_u16(status).expect("a status"), Json(body)).into_response()
}

/// CRC-32C bit by bit, so that it has nothing in common with what it checks.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 }))
}
