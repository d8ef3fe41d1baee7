//! Multipart uploads that nobody completes: S3 keeps, and charges for, their parts until somebody gives them up.

use super::{
    bucket::{S3, time},
    error::Asked,
};
use crate::{
    clock::{Timestamp, since},
    error::{Kind, Result},
};
use std::time::Duration;

/// Removes uploads below the bucket's place that were neither begun nor touched within `older_than`.
pub(super) async fn sweep(bucket: &S3, now: Timestamp, older_than: Duration) -> Result<usize> {
    let (root, client) = (bucket.root(), &bucket.connection().await?.client);
    let (mut after_key, mut after_id, mut removed) = (None, None, 0);
    loop {
        let request = client.list_multipart_uploads().bucket(bucket.name()).prefix(&root);
        let request = request.set_key_marker(after_key).set_upload_id_marker(after_id).set_expected_bucket_owner(bucket.owner());
        let page = match request.send().await {
            Ok(page) => page,
            Err(error) => {
                return match (Asked { action: "s3:ListBucketMultipartUploads", of: &root }).refused_with(&error) {
                    // A store that cannot list uploads expires them by itself, or not at all: nothing to be done from here.
                    error if error.kind() == Kind::Unsupported => Ok(removed),
                    error => Err(error),
                };
            }
        };
        for upload in page.uploads() {
            let (Some(key), Some(id)) = (upload.key().filter(|key| key.starts_with(&root)), upload.upload_id()) else { continue };
            if since(now, time(upload.initiated())?) < older_than || since(now, last_touched(bucket, key, id).await?) < older_than {
                continue;
            }
            bucket.abort(key, id).await?;
            removed += 1;
        }
        if page.is_truncated() != Some(true) {
            return Ok(removed);
        }
        (after_key, after_id) = (page.next_key_marker, page.next_upload_id_marker);
    }
}

/// Returns when the last part of an upload came; the beginning of time when none did.
async fn last_touched(bucket: &S3, full: &str, id: &str) -> Result<Timestamp> {
    let client = &bucket.connection().await?.client;
    let (mut last, mut after) = (Timestamp::UNIX_EPOCH, None);
    loop {
        let request = client.list_parts().bucket(bucket.name()).key(full).upload_id(id).set_part_number_marker(after);
        let page = match request.set_expected_bucket_owner(bucket.owner()).send().await {
            Ok(page) => page,
            Err(error) => {
                return match (Asked { action: "s3:ListMultipartUploadParts", of: full }).refused_with(&error) {
                    // Completed or aborted meanwhile; or the store does not list parts as S3 does, and then only the
                    // moment of the beginning counts.
                    error if matches!(error.kind(), Kind::NotFound | Kind::Unsupported | Kind::Failed) => Ok(last),
                    error => Err(error),
                };
            }
        };
        for part in page.parts() {
            last = last.max(time(part.last_modified())?);
        }
        if page.is_truncated() != Some(true) {
            return Ok(last);
        }
        after = page.next_part_number_marker;
    }
}

impl S3 {
    /// Gives a multipart upload up; one that is gone is a success.
    pub(super) async fn abort(&self, full: &str, id: &str) -> Result<()> {
        let request = self.connection().await?.client.abort_multipart_upload().bucket(self.name()).key(full).upload_id(id);
        match request.set_expected_bucket_owner(self.owner()).send().await {
            Ok(_) => Ok(()),
            Err(error) => match (Asked { action: "s3:AbortMultipartUpload", of: full }).refused_with(&error) {
                error if error.kind() == Kind::NotFound => Ok(()),
                error => Err(error),
            },
        }
    }
}
