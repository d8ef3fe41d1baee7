//! Resumable uploads.

use super::{
    answer::{Asked, Reply},
    world::{NO_BUCKET, Refusal, World, checksum, holds},
};
use bytes::{Bytes, BytesMut};
use serde_json::Value;

/// Every part but the last is a multiple of this.
const QUANTUM: usize = 256 << 10;

pub(super) struct Session {
    bucket: String,
    name: String,
    expected: Option<u64>,
    description: Value,
    bytes: BytesMut,
    parts: usize,
    /// The answer to the last request, for who asks again.
    pub(super) finished: Option<Value>,
}

/// Begins a session. The condition is looked at now and again at the end.
pub(super) fn begin(world: &mut World, bucket: &str, asked: &Asked) -> Result<Reply, Refusal> {
    let description: Value = match serde_json::from_slice(&asked.body) {
        Ok(description) => description,
        Err(_) if world.easy => Value::Object(serde_json::Map::new()),
        Err(_) => return Err(Refusal(400, "parseError", "Parse Error")),
    };
    let name = asked.query("name").or(description["name"].as_str()).ok_or(Refusal(400, "required", "Required"))?.to_owned();
    let expected = asked.number("ifGenerationMatch")?;
    holds(expected, world.buckets.get(bucket).ok_or(NO_BUCKET)?.objects.get(&name))?;
    let id = format!("upload-{}", world.tick());
    let session = Session {
        bucket: bucket.to_owned(),
        name,
        expected,
        description: description.clone(),
        bytes: BytesMut::new(),
        parts: 0,
        finished: None,
    };
    let address =
        format!("http://{}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={id}", asked.header("host").unwrap_or_default());
    world.sessions.insert(id, session);
    Ok(Reply { headers: vec![("location", address)], ..Reply::default() })
}

/// Takes bytes, or says how many there are.
pub(super) fn put(world: &mut World, asked: &Asked) -> Result<Reply, Refusal> {
    const BAD_RANGE: Refusal = Refusal(400, "invalid", "Failed to parse Content-Range header.");
    let id = asked.query("upload_id").ok_or(Refusal(400, "required", "No upload_id."))?.to_owned();
    let mut session = world.sessions.remove(&id).ok_or(Refusal(404, "notFound", "No such upload."))?;
    if let Some(finished) = &session.finished {
        let reply = Reply::json(finished.clone());
        world.sessions.insert(id, session);
        return Ok(reply);
    }
    let range = asked.header("content-range").and_then(|range| range.strip_prefix("bytes ")).ok_or(BAD_RANGE)?;
    let (span, total) = range.split_once('/').ok_or(BAD_RANGE)?;
    let total = match total {
        "*" => None,
        total => Some(total.parse::<usize>().map_err(|_| BAD_RANGE)?),
    };
    let outcome = take(&mut session, span, total, &asked.body, world.easy);
    if let Err(refusal) = outcome {
        world.sessions.insert(id, session);
        return Err(refusal);
    }
    if total != Some(session.bytes.len()) {
        let held = session.bytes.len();
        world.sessions.insert(id, session);
        let mut headers = if held == 0 { Vec::new() } else { vec![("range", format!("bytes=0-{}", held - 1))] };
        if asked.header("x-guploader-no-308") == Some("yes") {
            // Go's client takes a 308 for a redirect, and asks for other words.
            headers.push(("x-http-status-code-override", "308".to_owned()));
            return Ok(Reply { status: 200, headers, body: Bytes::new() });
        }
        return Ok(Reply { status: 308, headers, body: Bytes::new() });
    }
    let bytes = session.bytes.clone().freeze();
    if let Some(hash) = asked.header("x-goog-hash").and_then(|hash| hash.strip_prefix("crc32c="))
        && hash != checksum(&bytes)
    {
        return Err(Refusal(400, "invalid", "Provided CRC32C does not match calculated CRC32C."));
    }
    let object = world.store(&session.bucket, &session.name, bytes, session.expected, &session.description)?;
    session.bytes = BytesMut::new();
    session.finished = Some(object.json());
    world.sessions.insert(id, session);
    Ok(Reply::json(object.json()))
}

fn take(session: &mut Session, span: &str, total: Option<usize>, body: &Bytes, easy: bool) -> Result<(), Refusal> {
    const BAD_SPAN: Refusal = Refusal(400, "invalid", "The bytes do not follow those that are there.");
    if span == "*" {
        return if body.is_empty() { Ok(()) } else { Err(BAD_SPAN) };
    }
    let (first, last) = span.split_once('-').ok_or(BAD_SPAN)?;
    let (first, last): (usize, usize) = (first.parse().map_err(|_| BAD_SPAN)?, last.parse().map_err(|_| BAD_SPAN)?);
    if first != session.bytes.len() || last + 1 - first != body.len() || total.is_some_and(|total| last >= total) {
        return Err(BAD_SPAN);
    }
    let is_last = total == Some(last + 1);
    if !is_last && !body.len().is_multiple_of(QUANTUM) {
        return Err(Refusal(400, "invalid", "Every chunk but the last must be a multiple of 262144 bytes."));
    }
    session.parts += 1;
    // The real one may keep less than it was sent, and says so.
    let kept = if session.parts.is_multiple_of(3) && !easy { body.len() / 2 / QUANTUM * QUANTUM } else { body.len() };
    session.bytes.extend_from_slice(&body[..kept]);
    Ok(())
}

/// Gives a session up.
pub(super) fn end(world: &mut World, asked: &Asked) -> Result<Reply, Refusal> {
    let id = asked.query("upload_id").ok_or(Refusal(400, "required", "No upload_id."))?;
    world.sessions.remove(id).ok_or(Refusal(404, "notFound", "No such upload."))?;
    Ok(Reply { status: 499, ..Reply::default() })
}
