//! Multipart uploads of the older, XML interface, which takes no conditions and overwrites; and the move that does neither.

use super::{
    answer::{Asked, Reply},
    world::{Bucket, NO_BUCKET, NO_OBJECT, RETAINED, Refusal, UNMET, World, checksum, holds},
};
use bytes::{Bytes, BytesMut};
use lastgood_core::clock::{Clock, SystemClock};
use quick_xml::escape::escape;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Every part but the last has so many bytes at least.
const SMALLEST: usize = 5 << 20;
const NO_UPLOAD: Refusal = Refusal(404, "NoSuchUpload", "The requested upload was not found.");

pub(super) struct Parts {
    bucket: String,
    name: String,
    metadata: Value,
    begun: String,
    parts: BTreeMap<u32, (String, Bytes, String)>,
}

/// A refusal in the words of the older interface.
pub(super) fn refusal(status: u16, reason: &str, message: &str) -> Reply {
    let code = match reason {
        "notFound" if message.contains("bucket") => "NoSuchBucket",
        "notFound" => "NoSuchKey",
        reason => reason,
    };
    xml(status, format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
}

fn xml(status: u16, text: String) -> Reply {
    let body = format!("<?xml version='1.0' encoding='UTF-8'?>{text}").into();
    Reply { status, headers: vec![("content-type", "application/xml; charset=UTF-8".into())], body }
}

/// The rights that the user has of those that are asked for.
pub(super) fn granted(bucket: &Bucket, asked: &Asked) -> Result<Reply, Refusal> {
    let has: Vec<_> = asked.all("permissions").into_iter().filter(|right| !bucket.lacking.contains(*right)).collect();
    Ok(Reply::json(json!({ "kind": "storage#testIamPermissionsResponse", "permissions": has })))
}

pub(super) fn answer(world: &mut World, method: &str, at: (&str, &str), asked: &Asked) -> Result<Reply, Refusal> {
    if asked.names("x-goog-if-") || asked.names("if-") {
        return Err(Refusal(400, "NotImplemented", "Preconditions cannot be used in XML API multipart uploads."));
    }
    if !world.buckets.contains_key(at.0) {
        return Err(NO_BUCKET);
    }
    if asked.query("uploads").is_some() && method == "POST" {
        return begin(world, at, asked);
    }
    let id = asked.query("uploadId").ok_or(NO_UPLOAD)?.to_owned();
    let upload = world.multipart.get_mut(&id).filter(|upload| (upload.bucket.as_str(), upload.name.as_str()) == at).ok_or(NO_UPLOAD)?;
    match method {
        "PUT" => part(upload, asked),
        "GET" => Ok(xml(200, listed(upload, asked.query("part-number-marker")))),
        "DELETE" => {
            world.multipart.remove(&id);
            Ok(Reply { status: 204, ..Reply::default() })
        }
        "POST" => complete(world, &id, asked),
        _ => Err(Refusal(405, "MethodNotAllowed", "The specified method is not allowed.")),
    }
}

fn begin(world: &mut World, at: (&str, &str), asked: &Asked) -> Result<Reply, Refusal> {
    let id = format!("parts-{}", world.tick());
    let upload = Parts {
        bucket: at.0.to_owned(),
        name: at.1.to_owned(),
        metadata: asked.metadata(),
        begun: SystemClock.now().to_string(),
        parts: BTreeMap::new(),
    };
    world.multipart.insert(id.clone(), upload);
    let text = format!(
        "<InitiateMultipartUploadResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Bucket>{}</Bucket><Key>{}</Key>\
         <UploadId>{id}</UploadId></InitiateMultipartUploadResult>",
        at.0,
        escape(at.1)
    );
    Ok(xml(200, text))
}

fn part(upload: &mut Parts, asked: &Asked) -> Result<Reply, Refusal> {
    const BAD: Refusal = Refusal(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive.");
    let number: u32 = asked.query("partNumber").and_then(|number| number.parse().ok()).ok_or(BAD)?;
    if !(1..=10_000).contains(&number) {
        return Err(BAD);
    }
    let sum = checksum(&asked.body);
    let sent = asked.header("x-goog-hash").and_then(|hash| hash.strip_prefix("crc32c="));
    if sent.is_some_and(|sent| sent != sum) {
        return Err(Refusal(400, "BadDigest", "The CRC32C you specified did not match what we received."));
    }
    let etag = format!("\"{sum}-{number}\"");
    upload.parts.insert(number, (etag.clone(), asked.body.clone(), SystemClock.now().to_string()));
    Ok(Reply { headers: vec![("etag", etag), ("x-goog-hash", format!("crc32c={sum}"))], ..Reply::default() })
}

/// One part in a page.
fn listed(upload: &Parts, after: Option<&str>) -> String {
    let after: u32 = after.and_then(|after| after.parse().ok()).unwrap_or_default();
    let mut rest = upload.parts.range(after + 1..);
    let Some((number, (etag, bytes, came))) = rest.next() else {
        return "<ListPartsResult><IsTruncated>false</IsTruncated></ListPartsResult>".to_owned();
    };
    let more = rest.next().is_some();
    format!(
        "<ListPartsResult><NextPartNumberMarker>{number}</NextPartNumberMarker><IsTruncated>{more}</IsTruncated><Part><PartNumber>{number}\
         </PartNumber><LastModified>{came}</LastModified><ETag>{}</ETag><Size>{}</Size></Part></ListPartsResult>",
        escape(etag.as_str()),
        bytes.len()
    )
}

/// Puts the parts together, over whatever stands there.
fn complete(world: &mut World, id: &str, asked: &Asked) -> Result<Reply, Refusal> {
    const BAD: Refusal = Refusal(400, "MalformedCompleteMultipartUploadRequest", "The XML you provided was not well-formed.");
    const INVALID: Refusal = Refusal(400, "InvalidPart", "One or more of the specified parts could not be found.");
    let upload = &world.multipart[id];
    let text = std::str::from_utf8(&asked.body).map_err(|_| BAD)?;
    let inside = |part: &str, tag: &str| {
        let value = part.split_once(&format!("<{tag}>"))?.1.split_once(&format!("</{tag}>"))?.0;
        quick_xml::escape::unescape(value).ok().map(std::borrow::Cow::into_owned)
    };
    let (mut whole, mut last) = (BytesMut::new(), 0);
    let named: Vec<_> = text.split("<Part>").skip(1).collect();
    for (index, part) in named.iter().enumerate() {
        let number: u32 = inside(part, "PartNumber").and_then(|number| number.parse().ok()).ok_or(BAD)?;
        let (etag, bytes, _) = upload.parts.get(&number).ok_or(INVALID)?;
        if number <= last {
            return Err(Refusal(400, "InvalidPartOrder", "The list of parts was not in ascending order."));
        }
        if inside(part, "ETag").as_ref() != Some(etag) {
            return Err(INVALID);
        }
        if index + 1 < named.len() && bytes.len() < SMALLEST {
            return Err(Refusal(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size."));
        }
        whole.extend_from_slice(bytes);
        last = number;
    }
    if named.is_empty() {
        return Err(BAD);
    }
    let Parts { bucket, name, metadata, .. } = world.multipart.remove(id).ok_or(NO_UPLOAD)?;
    let object = world.store(&bucket, &name, whole.freeze(), None, &json!({ "metadata": metadata }))?;
    let mut reply = xml(
        200,
        format!("<CompleteMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{}</Key></CompleteMultipartUploadResult>", escape(&name)),
    );
    reply.headers.push(("x-goog-hash", format!("crc32c={}", object.crc32c)));
    reply.headers.push(("x-goog-generation", object.generation.to_string()));
    Ok(reply)
}

/// The uploads of a bucket, one in a page.
pub(super) fn uploads(world: &World, bucket: &str, asked: &Asked) -> Result<Reply, Refusal> {
    if !world.buckets.contains_key(bucket) {
        return Err(NO_BUCKET);
    }
    let prefix = asked.query("prefix").unwrap_or_default();
    let after = (asked.query("key-marker").unwrap_or_default(), asked.query("upload-id-marker").unwrap_or_default());
    let mut all: Vec<_> = world.multipart.iter().filter(|(_, upload)| upload.bucket == bucket && upload.name.starts_with(prefix)).collect();
    all.sort_by_key(|(id, upload)| (upload.name.clone(), (*id).clone()));
    let mut rest = all.into_iter().filter(|(id, upload)| (upload.name.as_str(), id.as_str()) > after);
    let Some((id, upload)) = rest.next() else {
        return Ok(xml(200, "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>".to_owned()));
    };
    let (key, more) = (escape(&upload.name), rest.next().is_some());
    Ok(xml(
        200,
        format!(
            "<ListMultipartUploadsResult><Bucket>{bucket}</Bucket><NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{id}\
             </NextUploadIdMarker><IsTruncated>{more}</IsTruncated><Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{}\
             </Initiated></Upload></ListMultipartUploadsResult>",
            upload.begun
        ),
    ))
}

/// Moves an object to another name of the bucket, at once or not at all.
pub(super) fn relocate(world: &mut World, bucket: &str, at: (&str, &str), asked: &Asked) -> Result<Reply, Refusal> {
    let generation = world.tick();
    let bucket = world.buckets.get_mut(bucket).ok_or(NO_BUCKET)?;
    let source = bucket.objects.get(at.0).ok_or(NO_OBJECT)?.clone();
    if at.0 == at.1 {
        return Err(Refusal(400, "invalid", "The source and destination must have different object names."));
    }
    if asked.number("ifSourceGenerationMatch")?.is_some_and(|wanted| wanted != source.generation) {
        return Err(UNMET);
    }
    holds(asked.number("ifGenerationMatch")?, bucket.objects.get(at.1))?;
    if bucket.retained {
        return Err(RETAINED);
    }
    bucket.objects.remove(at.0);
    let moved = super::world::Object { name: at.1.to_owned(), generation, created: SystemClock.now().to_string(), ..source };
    bucket.objects.insert(at.1.to_owned(), moved.clone());
    bucket.ever.insert(at.1.to_owned());
    Ok(Reply::json(moved.json()))
}
