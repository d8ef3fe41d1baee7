//! What is asked, what is called, and how Google refuses.

use async_trait::async_trait;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode},
};
use bytes::Bytes;
use serde_json::{Value, json};

/// A request, read whole.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `GET`.
    pub method: String,
    /// The parts of the path, decoded: `["v1", "projects", "acme", …]`.
    pub path: Vec<String>,
    /// The query, decoded.
    pub query: Vec<(String, String)>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Asked {
    /// A parameter of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body, which must be JSON; none is an empty object.
    pub fn json(&self) -> Result<Value, Refusal> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(&self.body).map_err(|_| Refusal::new(400, "parseError", "Invalid JSON payload received."))
    }
}

/// A call of a method, as a test sees it afterwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `sql.backupRuns.insert`.
    pub api: &'static str,
    /// The right that it takes: `cloudsql.backupRuns.create`.
    pub permission: &'static str,
    /// What the path names, in its order: the project, the instance, the backup.
    pub names: Vec<String>,
    /// The query.
    pub query: Vec<(String, String)>,
    /// The body.
    pub body: Value,
}

impl Call {
    /// A parameter of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Another service behind the same door.
#[async_trait]
pub trait Part: Send + Sync {
    /// Reads a request as a call, if it is one of this service's.
    fn call(&self, asked: &Asked) -> Option<Result<Call, Refusal>>;

    /// Answers it.
    async fn answer(&self, call: &Call) -> Result<Value, Refusal>;
}

/// A refusal as Google writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The word for programs: `operationInProgress`.
    pub reason: &'static str,
    /// What a person reads.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(status: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into() }
    }

    /// As it goes over the wire.
    pub fn answer(&self) -> Response<Body> {
        let Self { status, reason, message } = self;
        let one = json!({ "message": message, "domain": "global", "reason": reason });
        let mut error = json!({ "code": status, "message": message, "errors": [one] });
        if let Some(word) = self.word() {
            error["status"] = word.into();
        }
        answer(*status, &json!({ "error": error }))
    }

    /// The newer word; what Cloud SQL itself refuses often has none.
    fn word(&self) -> Option<&'static str> {
        match (self.status, self.reason) {
            (400, "badRequest" | "parseError") => Some("INVALID_ARGUMENT"),
            (403, "forbidden") => Some("PERMISSION_DENIED"),
            (429, _) => Some("RESOURCE_EXHAUSTED"),
            (503, _) => Some("UNAVAILABLE"),
            _ => None,
        }
    }
}

/// An answer in JSON.
pub fn answer(status: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json; charset=UTF-8"));
    response
}
