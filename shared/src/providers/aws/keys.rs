//! How a key stands, as KMS describes it.

use super::error::Asked;
use crate::{clock::Timestamp, domain::posture::KeySeen, error::Result};
use aws_config::SdkConfig;
use aws_sdk_kms::{operation::describe_key::DescribeKeyError, types::KeyState};

/// Asks the key's keeper how it stands. A key that is gone, off or about to go opens nothing any more.
pub(super) async fn seen(config: &SdkConfig, name: &str) -> Result<KeySeen> {
    let found = aws_sdk_kms::Client::new(config).describe_key().key_id(name).send().await;
    let unusable = match found {
        Ok(found) => found.key_metadata().and_then(|key| match key.key_state().map(KeyState::as_str) {
            Some("Enabled") | None => None,
            Some("Disabled") => Some("is disabled".to_owned()),
            Some("PendingDeletion") => Some(match key.deletion_date().and_then(|at| Timestamp::from_second(at.secs()).ok()) {
                Some(at) => format!("is to be deleted on {at}"),
                None => "is to be deleted".to_owned(),
            }),
            Some(other) => Some(format!("is in state {other}")),
        }),
        Err(error) if error.as_service_error().is_some_and(DescribeKeyError::is_not_found_exception) => Some("is gone".to_owned()),
        Err(error) => return Err(Asked { action: "kms:DescribeKey", of: name }.refused_by(|_| None, &error)),
    };
    Ok(KeySeen { name: name.to_owned(), unusable })
}
