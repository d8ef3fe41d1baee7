//! Small objects: one request with description, checksum and bytes. Cloud Storage compares before it stores; we compare after.

use super::{
    bucket::Gcs,
    call::{Ask, escaped},
    object::{FIELDS, MARK, Object, checksum_of},
};
use crate::{
    domain::archive::StorageClass,
    error::{Error, Kind, Result, conflict},
    ports::If,
    providers::again::mark,
};
use bytes::{Bytes, BytesMut};
use reqwest::Method;
use serde_json::{Value, json};

/// Writes an object in one request, if `condition` holds.
pub(super) async fn whole(bucket: &Gcs, full: &str, bytes: &Bytes, condition: &If, class: Option<StorageClass>) -> Result<Object> {
    let mark = mark();
    let checksum = checksum_of(bytes);
    let mut description = description(full, &mark, class);
    description["crc32c"] = checksum.as_str().into();
    let boundary = format!("lastgood-{mark}");
    let ask = Ask::new(Method::POST, address(bucket))
        .query("uploadType", "multipart")
        .query("ifGenerationMatch", generation(full, condition)?)
        .query("fields", FIELDS)
        .header("content-type", format!("multipart/related; boundary={boundary}"))
        .body(body(&boundary, &description.to_string(), bytes));
    let sent = bucket.call().ask(&ask).await.and_then(|reply| reply.json::<Object>());
    let written = match sent.map_err(|refused| refused.told("storage.objects.create", full)) {
        Ok(written) => written,
        // The reply to an earlier try may have been lost.
        Err(error) if matches!(error.kind(), Kind::Conflict | Kind::Retry) => match bucket.find(full).await {
            Ok(Some(found)) if found.mark() == Some(&mark) => found,
            _ => return Err(error),
        },
        // To replace what is gone is a lost race, not a missing object.
        Err(error) if error.kind() == Kind::NotFound && matches!(condition, If::Is(_)) => {
            return Err(Error::new(Kind::Conflict, format!("{full} is gone")).because(error));
        }
        Err(error) => return Err(error),
    };
    if let Err(error) = written.is(bytes.len() as u64, &checksum) {
        bucket.take_back(full, &written.generation).await;
        return Err(error);
    }
    Ok(written)
}

/// How an object is described that is about to come.
pub(super) fn description(full: &str, mark: &str, class: Option<StorageClass>) -> Value {
    let mut description = json!({ "name": full, "contentType": "application/octet-stream", "metadata": { MARK: mark } });
    if let Some(class) = class {
        description["storageClass"] = class.name().into();
    }
    description
}

/// Where objects are sent to.
pub(super) fn address(bucket: &Gcs) -> String {
    format!("/upload/storage/v1/b/{}/o", escaped(bucket.name()))
}

/// The generation that a condition means; 0 is none.
fn generation(full: &str, condition: &If) -> Result<String> {
    match condition {
        If::Absent => Ok("0".to_owned()),
        // A generation of 0 would ask for the opposite.
        If::Is(version) => match version.0.parse::<u64>() {
            Ok(generation) if generation > 0 => Ok(generation.to_string()),
            _ => Err(conflict(format!("{full} was never in this state"))),
        },
    }
}

fn body(boundary: &str, description: &str, bytes: &Bytes) -> Bytes {
    let mut body = BytesMut::with_capacity(bytes.len() + description.len() + 4 * boundary.len() + 200);
    for part in [
        "--",
        boundary,
        "\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n",
        description,
        "\r\n--",
        boundary,
        "\r\ncontent-type: application/octet-stream\r\n\r\n",
    ] {
        body.extend_from_slice(part.as_bytes());
    }
    body.extend_from_slice(bytes);
    for part in ["\r\n--", boundary, "--\r\n"] {
        body.extend_from_slice(part.as_bytes());
    }
    body.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Version;

    #[test]
    fn no_state_can_be_mistaken_for_none() {
        assert_eq!(generation("k", &If::Absent).unwrap(), "0");
        assert_eq!(generation("k", &If::Is(Version("17".into()))).unwrap(), "17");
        for never in ["0", "00", "", "\"0\"", "17&ifGenerationMatch=0", "-1"] {
            assert_eq!(generation("k", &If::Is(Version(never.into()))).unwrap_err().kind(), Kind::Conflict, "{never:?}");
        }
    }
}
