//! Objects: described, listed, read, written whole, deleted, copied inside.

use super::{
    answer::{Asked, Reply},
    world::{NO_BUCKET, NO_OBJECT, Object, RETAINED, Refusal, UNMET, World, checksum, holds},
};
use serde_json::{Value, json};

/// Objects in one page.
const PAGE: usize = 3;
/// Bytes that one round of a copy gets done.
const ROUND: u64 = 5 << 20;

/// Describes an object or sends its bytes.
pub(super) fn get(world: &World, bucket: &str, name: &str, asked: &Asked) -> Result<Reply, Refusal> {
    let object = world.buckets.get(bucket).ok_or(NO_BUCKET)?.objects.get(name).ok_or(NO_OBJECT)?;
    if asked.number("generation")?.is_some_and(|generation| generation != object.generation) {
        return Err(NO_OBJECT);
    }
    if asked.query("alt") != Some("media") {
        return Ok(Reply::json(described(object, bucket, asked)));
    }
    let headers = vec![
        ("x-goog-generation", object.generation.to_string()),
        ("x-goog-hash", format!("crc32c={}", object.crc32c)),
        ("x-goog-hash", "md5=1B2M2Y8AsgTpgAmY7PhCfg==".to_owned()),
    ];
    let Some(range) = asked.header("range").filter(|range| *range != "bytes=0-") else {
        return Ok(Reply { status: 200, headers, body: object.bytes.clone() });
    };
    let (first, last) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or(Refusal(400, "invalid", "Range"))?;
    let (first, last): (usize, usize) = (first.parse().unwrap_or(usize::MAX), last.parse().unwrap_or(usize::MAX));
    if first >= object.bytes.len() {
        return Err(Refusal(416, "requestedRangeNotSatisfiable", "The requested range cannot be satisfied."));
    }
    let end = object.bytes.len().min(last.saturating_add(1));
    Ok(Reply { status: 206, headers, body: object.bytes.slice(first..end) })
}

/// An object's description, with where its bytes are.
fn described(object: &Object, bucket: &str, asked: &Asked) -> Value {
    let host = asked.header("host").unwrap_or_default();
    let name = percent_encoding::utf8_percent_encode(&object.name, percent_encoding::NON_ALPHANUMERIC);
    let mut described = object.json();
    described["mediaLink"] = format!("http://{host}/storage/v1/b/{bucket}/o/{name}?alt=media").into();
    described
}

/// Lists objects from `startOffset` on, that one included.
pub(super) fn list(world: &mut World, bucket: &str, asked: &Asked) -> Result<Reply, Refusal> {
    world.pages += 1;
    let (empty, page_of) = if world.easy { (false, 1_000) } else { (world.pages.is_multiple_of(4), PAGE) };
    let (name, bucket) = (bucket, world.buckets.get(bucket).ok_or(NO_BUCKET)?);
    let (prefix, from) = (asked.query("prefix").unwrap_or_default(), asked.query("startOffset").unwrap_or_default());
    let after =
        asked.query("pageToken").map(|token| token.strip_prefix("after ").ok_or(Refusal(400, "invalid", "pageToken"))).transpose()?;
    let most = asked.number("maxResults")?.map_or(page_of, |most| page_of.min(usize::try_from(most).unwrap_or(page_of)));
    let mut rest = bucket.objects.values().filter(|object| object.name.starts_with(prefix) && *object.name >= *from);
    let mut items = Vec::new();
    let mut last = after;
    while items.len() < if empty { 0 } else { most } {
        let Some(object) = rest.by_ref().find(|object| after.is_none_or(|after| *object.name > *after)) else { break };
        items.push(described(object, name, asked));
        last = Some(&object.name);
    }
    let more = rest.any(|object| last.is_none_or(|last| *object.name > *last));
    let mut page = json!({ "kind": "storage#objects" });
    if !items.is_empty() {
        page["items"] = Value::Array(items);
    }
    if more {
        page["nextPageToken"] = format!("after {}", last.unwrap_or_default()).into();
    }
    Ok(Reply::json(page))
}

/// Writes an object that came in one request with its description.
pub(super) fn put(world: &mut World, bucket: &str, asked: &Asked) -> Result<Reply, Refusal> {
    const BAD: Refusal = Refusal(400, "badRequest", "Bad multipart request.");
    let kind = asked.header("content-type").unwrap_or_default();
    let boundary = kind.strip_prefix("multipart/related; boundary=").ok_or(BAD)?;
    let (open, between, close) = (format!("--{boundary}\r\n"), format!("\r\n--{boundary}\r\n"), format!("\r\n--{boundary}--\r\n"));
    let body = asked.body.strip_prefix(open.as_bytes()).and_then(|body| body.strip_suffix(close.as_bytes())).ok_or(BAD)?;
    let at = find(body, between.as_bytes()).ok_or(BAD)?;
    let (description, bytes) = (without_head(&body[..at]).ok_or(BAD)?, without_head(&body[at + between.len()..]).ok_or(BAD)?);
    let description: Value = serde_json::from_slice(description).map_err(|_| BAD)?;
    let name = description["name"].as_str().ok_or(BAD)?;
    if description["crc32c"].as_str().is_some_and(|sum| sum != checksum(bytes)) {
        return Err(Refusal(400, "invalid", "Provided CRC32C does not match calculated CRC32C."));
    }
    let expected = asked.number("ifGenerationMatch")?;
    let object = world.store(bucket, name, bytes.to_vec().into(), expected, &description)?;
    Ok(Reply::json(object.json()))
}

fn find(body: &[u8], wanted: &[u8]) -> Option<usize> {
    body.windows(wanted.len()).position(|window| window == wanted)
}

fn without_head(part: &[u8]) -> Option<&[u8]> {
    find(part, b"\r\n\r\n").map(|at| &part[at + 4..])
}

/// Deletes an object.
pub(super) fn delete(world: &mut World, bucket: &str, name: &str, asked: &Asked) -> Result<Reply, Refusal> {
    let bucket = world.buckets.get_mut(bucket).ok_or(NO_BUCKET)?;
    let standing = bucket.objects.get(name).ok_or(NO_OBJECT)?;
    holds(asked.number("ifGenerationMatch")?, Some(standing))?;
    if bucket.retained {
        return Err(RETAINED);
    }
    bucket.objects.remove(name);
    Ok(Reply { status: 204, ..Reply::default() })
}

/// Copies inside, a few bytes in each round.
pub(super) fn rewrite(world: &mut World, from: (&str, &str), to: (&str, &str), asked: &Asked) -> Result<Reply, Refusal> {
    let source = world.buckets.get(from.0).ok_or(NO_BUCKET)?.objects.get(from.1).ok_or(NO_OBJECT)?.clone();
    if asked.number("ifSourceGenerationMatch")?.is_some_and(|generation| generation != source.generation) {
        return Err(UNMET);
    }
    let expected = asked.number("ifGenerationMatch")?;
    holds(expected, world.buckets.get(to.0).ok_or(NO_BUCKET)?.objects.get(to.1))?;
    let description: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let token = match asked.query("rewriteToken") {
        Some(token) => token.to_owned(),
        None => format!("rewrite-{}", world.tick()),
    };
    if asked.query("rewriteToken").is_some() && !world.rewrites.contains_key(&token) {
        return Err(Refusal(400, "invalid", "No such rewrite."));
    }
    let size = source.bytes.len() as u64;
    let done = (world.rewrites.get(&token).copied().unwrap_or_default() + ROUND).min(size);
    world.rewrites.insert(token.clone(), done);
    let mut reply = json!({ "kind": "storage#rewriteResponse", "totalBytesRewritten": done.to_string(), "objectSize": size.to_string() });
    if done < size {
        (reply["done"], reply["rewriteToken"]) = (false.into(), token.into());
        return Ok(Reply::json(reply));
    }
    world.rewrites.remove(&token);
    let object = world.store(to.0, to.1, source.bytes, expected, &description)?;
    (reply["done"], reply["resource"]) = (true.into(), object.json());
    Ok(Reply::json(reply))
}
