//! What is asked of the double, and which part of it answers.

use super::{
    multipart, objects, sessions,
    world::{NO_BUCKET, Refusal, World},
};
use axum::{
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, Request, Response},
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A request, read whole.
pub(super) struct Asked {
    easy: bool,
    method: String,
    path: Vec<String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Metadata of the caller's own, as the older interface takes it.
    pub(super) fn metadata(&self) -> Value {
        let named =
            self.headers.iter().filter_map(|(name, value)| Some((name.as_str().strip_prefix("x-goog-meta-")?, value.to_str().ok()?)));
        Value::Object(named.map(|(name, value)| (name.to_owned(), value.into())).collect())
    }

    pub(super) fn names(&self, start: &str) -> bool {
        self.headers.keys().any(|name| name.as_str().starts_with(start))
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let number = |value: &str| value.parse().map_err(|_| Refusal(400, "invalid", "Not a number."));
        self.query(name).map(number).transpose()
    }

    /// Refuses what the real one does not know.
    fn knows(&self, names: &[&str]) -> Result<(), Refusal> {
        if self.easy {
            return Ok(());
        }
        let known = |(name, _): &(String, String)| names.contains(&name.as_str()) || name == "fields" || name == "alt";
        if self.query.iter().all(known) { Ok(()) } else { Err(Refusal(400, "invalidParameter", "Unknown query parameter.")) }
    }
}

/// An answer.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

impl Default for Reply {
    fn default() -> Self {
        Self { status: 200, headers: Vec::new(), body: Bytes::new() }
    }
}

impl Reply {
    pub(super) fn json(body: Value) -> Self {
        Self { status: 200, headers: vec![("content-type", "application/json; charset=UTF-8".into())], body: body.to_string().into() }
    }
}

pub(super) async fn answer(State(world): State<Arc<Mutex<World>>>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let asked = Asked {
        easy: world.lock().expect("the double").easy,
        method: head.method.to_string(),
        path: head.uri.path().split('/').skip(1).map(decoded).collect(),
        query: url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        headers: head.headers,
        body,
    };
    let older = !matches!(asked.path.first().map(String::as_str), Some("storage" | "upload" | "token"));
    let reply = route(&mut world.lock().expect("the double"), &asked).unwrap_or_else(|Refusal(status, reason, message)| {
        if older {
            return multipart::refusal(status, reason, message);
        }
        let error = json!({ "error": { "code": status, "message": message, "errors": [{ "reason": reason, "message": message, "domain": "global" }] } });
        Reply { status, ..Reply::json(error) }
    });
    let mut response = Response::builder().status(reply.status).header("content-length", reply.body.len());
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.body)).expect("an answer")
}

fn route(world: &mut World, asked: &Asked) -> Result<Reply, Refusal> {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    if path == ["token"] {
        return world.tokens.give(&asked.body).map(Reply::json);
    }
    if !world.easy {
        world.tokens.check(asked.header("authorization"))?;
    }
    match (asked.method.as_str(), &path[..]) {
        ("GET", ["storage", "v1", "b", bucket]) => {
            asked.knows(&[])?;
            Ok(Reply::json(world.buckets.get(*bucket).ok_or(NO_BUCKET)?.description.clone()))
        }
        ("GET", ["storage", "v1", "b", bucket, "iam"]) => Ok(Reply::json(world.buckets.get(*bucket).ok_or(NO_BUCKET)?.policy.clone())),
        ("GET", ["storage", "v1", "b", _, "defaultObjectAcl"]) => Ok(Reply::json(json!({ "items": [{ "entity": "project-owners-1" }] }))),
        ("GET", ["storage", "v1", "b", bucket, "o"]) => {
            asked.knows(&["prefix", "startOffset", "pageToken", "maxResults"])?;
            objects::list(world, bucket, asked)
        }
        ("GET", ["storage", "v1", "b", bucket, "o", name]) => {
            asked.knows(&["generation"])?;
            objects::get(world, bucket, name, asked)
        }
        ("DELETE", ["storage", "v1", "b", bucket, "o", name]) => {
            asked.knows(&["ifGenerationMatch"])?;
            objects::delete(world, bucket, name, asked)
        }
        ("POST", ["storage", "v1", "b", from, "o", source, "rewriteTo", "b", to, "o", name]) => {
            asked.knows(&["ifGenerationMatch", "ifSourceGenerationMatch", "rewriteToken"])?;
            objects::rewrite(world, (from, source), (to, name), asked)
        }
        ("GET", ["storage", "v1", "b", bucket, "iam", "testPermissions"]) => {
            asked.knows(&["permissions"])?;
            multipart::granted(world.buckets.get(*bucket).ok_or(NO_BUCKET)?, asked)
        }
        ("POST", ["storage", "v1", "b", bucket, "o", source, "moveTo", "o", name]) => {
            asked.knows(&["ifGenerationMatch", "ifSourceGenerationMatch"])?;
            multipart::relocate(world, bucket, (source, name), asked)
        }
        // Google's own clients send the parts of a session with either verb.
        ("POST", ["upload", "storage", "v1", "b", _, "o"]) if world.easy && asked.query("upload_id").is_some() => {
            sessions::put(world, asked)
        }
        ("POST", ["upload", "storage", "v1", "b", bucket, "o"]) => {
            asked.knows(&["uploadType", "ifGenerationMatch"])?;
            match asked.query("uploadType") {
                Some("multipart") => objects::put(world, bucket, asked),
                Some("resumable") => sessions::begin(world, bucket, asked),
                _ => Err(Refusal(400, "invalid", "uploadType")),
            }
        }
        ("PUT", ["upload", "storage", "v1", "b", _, "o"]) => {
            asked.knows(&["uploadType", "upload_id"])?;
            sessions::put(world, asked)
        }
        ("DELETE", ["upload", "storage", "v1", "b", _, "o"]) => sessions::end(world, asked),
        (_, [bucket]) if asked.query("uploads").is_some() => multipart::uploads(world, bucket, asked),
        (method, [bucket, name]) if asked.query("uploads").is_some() || asked.query("uploadId").is_some() => {
            multipart::answer(world, method, (bucket, name), asked)
        }
        _ => Err(Refusal(404, "notFound", "Not Found")),
    }
}
