//! Secret Manager: secrets, their versions and their states.

use super::{PROJECT, TOKEN};
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};

/// What it holds, and how it is about to behave.
#[derive(Default)]
pub struct Secrets {
    /// By `secrets/NAME` of the project; versions count from 1.
    versions: BTreeMap<String, Vec<(Vec<u8>, &'static str)>>,
    /// Answers that come before the good ones.
    pub trouble: VecDeque<Reply>,
    /// Whether only the token of the metadata server is good.
    pub guarded: bool,
    /// How often it was asked.
    pub asked: usize,
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
        self.versions.entry(name.to_owned()).or_default().push((value.as_ref().to_vec(), "ENABLED"));
    }

    /// Puts the newest version into a state: `ENABLED`, `DISABLED`, `DESTROYED`.
    pub fn set(&mut self, name: &str, state: &'static str) {
        self.versions.get_mut(name).and_then(|all| all.last_mut()).expect("a version").1 = state;
    }

    /// A secret without a value.
    pub fn create(&mut self, name: &str) {
        self.versions.entry(name.to_owned()).or_default();
    }

    /// Takes every secret away.
    pub fn clear(&mut self) {
        self.versions.clear();
    }

    pub(super) fn answer(&mut self, path: &str, bearer: Option<&str>) -> Response {
        self.asked += 1;
        if self.guarded && bearer != Some(&format!("Bearer {TOKEN}")) {
            return refuse(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
        }
        let damaged = match self.trouble.pop_front() {
            Some(Reply::Said(status, body)) => return (StatusCode::from_u16(status).expect("a status"), body).into_response(),
            Some(Reply::Damaged) => true,
            None => false,
        };
        let parts: Vec<_> = path.trim_start_matches("/v1/").split('/').collect();
        let ["projects", project, "secrets", name, "versions", version] = parts[..] else {
            return refuse(404, "NOT_FOUND", "Not Found");
        };
        let Some(version) = version.strip_suffix(":access") else { return refuse(404, "NOT_FOUND", "Not Found") };
        if project != PROJECT {
            let said = format!(
                "Permission 'secretmanager.versions.access' denied for resource 'projects/{project}/secrets/{name}/versions/{version}' (or it may not exist)."
            );
            return refuse(403, "PERMISSION_DENIED", &said);
        }
        let all = self.versions.get(name).map(Vec::as_slice).unwrap_or_default();
        let at = if version == "latest" { all.len() } else { version.parse().unwrap_or(0) };
        let Some((value, state)) = at.checked_sub(1).and_then(|index| all.get(index)) else {
            return refuse(404, "NOT_FOUND", &format!("Secret [projects/123456789012/secrets/{name}] not found or has no versions."));
        };
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
