//! Copies from Cloud Storage to Cloud Storage: the bytes stay inside. A large one takes several rounds.

use super::{
    bucket::Gcs,
    call::{Ask, escaped},
    object::{FIELDS, Object},
    write::description,
};
use crate::{
    domain::place::Scheme,
    error::{Error, Kind, Result, failed},
    ports::{Bucket, ObjectMeta, check_key},
    providers::again::mark,
};
use reqwest::Method;
use serde::Deserialize;

/// Rounds without a byte of progress.
const TRIES: u32 = 5;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Round {
    #[serde(default)]
    done: bool,
    rewrite_token: Option<String>,
    #[serde(default)]
    total_bytes_rewritten: Option<String>,
    resource: Option<Object>,
}

/// Copies an object inside Cloud Storage; none where the source is elsewhere or may not be read by who writes here.
pub(super) async fn copy(to: &Gcs, from: &dyn Bucket, source_key: &str, key: &str) -> Result<Option<ObjectMeta>> {
    if from.place().scheme() != Scheme::Gs {
        return Ok(None);
    }
    let full = to.full_key(key)?;
    check_key(source_key)?;
    if to.find(&full).await?.is_some() {
        return Err(Error::new(Kind::Conflict, format!("{full} is already there")));
    }
    let Some(source) = from.head(source_key).await? else {
        return Err(Error::new(Kind::NotFound, format!("{}/{source_key} is not there", from.place())));
    };
    let mark = mark();
    let path = address(to, from, source_key, &full);
    let ask = Ask::new(Method::POST, path)
        .query("ifGenerationMatch", "0")
        .query("ifSourceGenerationMatch", source.version.0.clone())
        .query("fields", format!("done,rewriteToken,totalBytesRewritten,resource({FIELDS})"))
        .json(&description(&full, &mark, to.class()));
    let copied = match rounds(to, &ask, &full).await {
        Ok(copied) => copied,
        Err(error) => match to.find(&full).await? {
            // The reply to the last round was lost.
            Some(found) if found.mark() == Some(&mark) => found,
            Some(_) => return Err(Error::new(Kind::Conflict, format!("{full} is already there")).because(error)),
            // No right to read from there with this account, say: the bytes may still pass through us.
            None if matches!(error.kind(), Kind::Unsupported | Kind::Denied | Kind::NotFound | Kind::Failed) => return Ok(None),
            None => return Err(error),
        },
    };
    // The store compared the bytes itself; that it copied the object that was meant shows in its size and generation.
    if copied.size()? != source.size {
        to.take_back(&full, &copied.generation).await;
        return Err(Error::new(Kind::Corrupt, format!("{full} has {} bytes, and its source has {}", copied.size, source.size)));
    }
    copied.meta(key).map(Some)
}

async fn rounds(to: &Gcs, ask: &Ask, full: &str) -> Result<Object> {
    let (mut token, mut so_far, mut still) = (None::<String>, 0, 0);
    loop {
        let ask = token.iter().fold(ask.clone(), |ask, token| ask.query("rewriteToken", token.clone()));
        let round = to.call().ask(&ask).await.and_then(|reply| reply.json::<Round>());
        let round = round.map_err(|refused| refused.told("storage.objects.create with storage.objects.get on the source", full))?;
        if round.done {
            return round.resource.ok_or_else(|| failed(format!("the copy of {full} is done and not described")));
        }
        let now: u64 = round.total_bytes_rewritten.and_then(|bytes| bytes.parse().ok()).unwrap_or_default();
        still = if now > so_far { 0 } else { still + 1 };
        so_far = so_far.max(now);
        token = round.rewrite_token.filter(|token| !token.is_empty());
        if token.is_none() || still == TRIES {
            return Err(crate::error::retry(format!("the copy of {full} does not go on")));
        }
    }
}

fn address(to: &Gcs, from: &dyn Bucket, source_key: &str, full: &str) -> String {
    let prefix = from.place().prefix();
    let slash = if prefix.is_empty() { "" } else { "/" };
    let source = escaped(&format!("{prefix}{slash}{source_key}"));
    let (here, there) = (escaped(to.name()), escaped(from.place().bucket()));
    format!("/storage/v1/b/{there}/o/{source}/rewriteTo/b/{here}/o/{}", escaped(full))
}
