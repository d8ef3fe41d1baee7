//! Tiers of Blob Storage: moving a blob to one where it lies, and bringing it back from the archive (rehydration).
//!
//! A change of tier leaves the bytes and the `ETag` of a blob as they are. One that was brought back stays in the hot tier.

use super::{
    bucket::Blobs,
    call::{Ask, header},
};
use crate::{
    domain::{
        archive::{Haste, Readiness, StorageClass},
        place::Scheme,
    },
    error::{Kind, Result, failed, not_found},
};
use reqwest::{Method, header::HeaderMap};

const ACTION: &str = "blobs/write";
const TIER: &str = "x-ms-access-tier";

async fn look(bucket: &Blobs, key: &str) -> Result<Option<HeaderMap>> {
    let path = bucket.path(key)?;
    match bucket.call().ask(&Ask::new(Method::HEAD, &path)).await.map_err(|refused| refused.told("blobs/read", &path)) {
        Ok(reply) => Ok(Some(reply.headers)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// How a blob can be read.
pub(super) async fn readiness(bucket: &Blobs, key: &str) -> Result<Option<Readiness>> {
    Ok(look(bucket, key).await?.map(|headers| told(&headers)))
}

fn told(headers: &HeaderMap) -> Readiness {
    let class = header(headers, TIER).and_then(|tier| StorageClass::of(Scheme::Az, tier).ok()).filter(|class| class.is_archive());
    match (class, header(headers, "x-ms-archive-status")) {
        (None, _) => Readiness::Now,
        (Some(class), Some(status)) if status.starts_with("rehydrate-pending") => Readiness::Coming(class),
        (Some(class), _) => Readiness::Archived(class),
    }
}

/// Asks for an archived blob; one that was asked for is a success.
pub(super) async fn recall(bucket: &Blobs, key: &str, haste: Haste) -> Result<()> {
    let priority = match haste {
        Haste::Expedited => "High",
        Haste::Standard | Haste::Bulk => "Standard",
    };
    let path = bucket.path(key)?;
    let ask = Ask::new(Method::PUT, &path).query("comp", "tier").header(TIER, "Hot").header("x-ms-rehydrate-priority", priority);
    match bucket.call().ask(&ask).await.map_err(|refused| refused.told(ACTION, &path)) {
        Ok(_) => Ok(()),
        // The reply to an earlier try may have been lost: where it is on its way, or back, all is well.
        Err(error) => match readiness(bucket, key).await? {
            Some(Readiness::Coming(_) | Readiness::Now) => Ok(()),
            Some(Readiness::Archived(_)) | None => Err(error),
        },
    }
}

/// Moves a blob to a tier where it lies.
pub(super) async fn reclass(bucket: &Blobs, key: &str, class: StorageClass) -> Result<()> {
    let path = bucket.path(key)?;
    let there = async || {
        let headers = look(bucket, key).await?.ok_or_else(|| not_found(format!("{path} is not there")))?;
        // A tier that the account gives by itself is only inferred, and would change with the account's.
        let inferred = header(&headers, "x-ms-access-tier-inferred") == Some("true");
        Ok::<_, crate::error::Error>(header(&headers, TIER) == Some(class.name()) && !inferred)
    };
    if there().await? {
        return Ok(());
    }
    let ask = Ask::new(Method::PUT, &path).query("comp", "tier").header(TIER, class.name());
    let moved = bucket.call().ask(&ask).await.map_err(|refused| refused.told(ACTION, &path));
    match (there().await?, moved) {
        (true, _) => Ok(()),
        (false, Ok(_)) => Err(failed(format!("{path} was moved to {class} and does not lie there"))),
        (false, Err(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_that_is_being_rehydrated_is_on_its_way() {
        let seen = |pairs: &[(&'static str, &'static str)]| {
            told(&pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect())
        };
        let archive = StorageClass::of(Scheme::Az, "Archive").unwrap();
        assert_eq!(seen(&[]), Readiness::Now);
        assert_eq!(seen(&[(TIER, "Cool")]), Readiness::Now);
        assert_eq!(seen(&[(TIER, "Archive")]), Readiness::Archived(archive));
        assert_eq!(seen(&[(TIER, "Archive"), ("x-ms-archive-status", "rehydrate-pending-to-hot")]), Readiness::Coming(archive));
    }
}
