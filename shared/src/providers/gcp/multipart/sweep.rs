//! What killed uploads left: parts that nobody put together, which Google keeps and charges for until somebody gives them up,
//! and objects that nobody moved to their key.

use super::{super::object::Object, address, folder, xml};
use crate::{
    clock::{Timestamp, since},
    error::{Kind, Result, failed},
    providers::gcp::{
        bucket::Gcs,
        call::{Ask, escaped},
    },
};
use reqwest::Method;
use std::time::Duration;

/// Pages of a listing that are looked through.
const MOST_PAGES: usize = 10_000;

/// Removes what was neither begun nor touched within `older_than`; returns how many uploads that were.
pub(in crate::providers::gcp) async fn sweep(bucket: &Gcs, now: Timestamp, older_than: Duration) -> Result<usize> {
    let mut removed = 0;
    for upload in uploads(bucket).await? {
        let old = since(now, upload.initiated) >= older_than;
        if old && since(now, last_touched(bucket, &upload).await?) >= older_than {
            abort(bucket, &upload.key, &upload.id).await?;
            removed += 1;
        }
    }
    for object in bucket.all(&folder(bucket)).await? {
        if since(now, object.meta("")?.modified) >= older_than {
            remove(bucket, &object).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

async fn uploads(bucket: &Gcs) -> Result<Vec<xml::Begun>> {
    let (mut all, mut after) = (Vec::new(), None::<(String, String)>);
    for _ in 0..MOST_PAGES {
        let ask = Ask::get(format!("/{}", escaped(bucket.name()))).query("uploads", "").query("prefix", folder(bucket));
        let ask = after.iter().fold(ask, |ask, (key, id)| ask.query("key-marker", key.clone()).query("upload-id-marker", id.clone()));
        let page = bucket.call().ask(&ask).await.map_err(|refused| refused.told("storage.multipartUploads.list", bucket.name()))?;
        let page = xml::uploads(&page.body)?;
        // Strangers' uploads are none of ours, whatever the store lists.
        all.extend(page.uploads.into_iter().filter(|upload| upload.key.starts_with(&folder(bucket))));
        match page.next {
            None => return Ok(all),
            next if next == after => break,
            next => after = next,
        }
    }
    Err(failed(format!("the listing of the uploads to {} does not end", bucket.name())))
}

/// Returns when the last part of an upload came; the beginning of time when none did.
async fn last_touched(bucket: &Gcs, upload: &xml::Begun) -> Result<Timestamp> {
    let (mut last, mut after) = (Timestamp::UNIX_EPOCH, None::<String>);
    for _ in 0..MOST_PAGES {
        let ask = Ask::get(address(bucket, &upload.key)).query("uploadId", upload.id.clone());
        let ask = after.iter().fold(ask, |ask, number| ask.query("part-number-marker", number.clone()));
        let told = |refused: crate::providers::web::Refused| refused.told("storage.multipartUploads.listParts", &upload.key);
        let page = match bucket.call().ask(&ask).await.map_err(told) {
            Ok(page) => xml::parts(&page.body)?,
            // Put together or given up meanwhile.
            Err(error) if error.kind() == Kind::NotFound => return Ok(last),
            Err(error) => return Err(error),
        };
        last = page.times.into_iter().fold(last, Timestamp::max);
        match page.next {
            None => return Ok(last),
            next if next == after => break,
            next => after = next,
        }
    }
    Err(failed(format!("the listing of the parts of {} does not end", upload.key)))
}

/// Gives an upload up; one that is gone is a success.
pub(super) async fn abort(bucket: &Gcs, name: &str, id: &str) -> Result<()> {
    let ask = Ask::new(Method::DELETE, address(bucket, name)).query("uploadId", id);
    match bucket.call().ask(&ask).await.map_err(|refused| refused.told("storage.multipartUploads.abort", name)) {
        Err(error) if error.kind() != Kind::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Removes an object under its early name, and nothing that came after it.
pub(super) async fn remove(bucket: &Gcs, object: &Object) -> Result<()> {
    let ask = Ask::new(Method::DELETE, bucket.path_of(&object.name)).query("ifGenerationMatch", object.generation.clone());
    match bucket.call().ask(&ask).await.map_err(|refused| refused.told("storage.objects.delete", &object.name)) {
        Err(error) if !matches!(error.kind(), Kind::NotFound | Kind::Conflict) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
