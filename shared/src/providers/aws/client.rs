//! How S3 is reached: settings and the bucket's region. Lazy: nothing happens before the first call.

use super::{
    error::Asked,
    shared::{Access, load},
};
use crate::{error::Result, ports::Secret};
use aws_config::Region;
use aws_sdk_s3::{
    Client,
    config::{RequestChecksumCalculation, ResponseChecksumValidation},
    types::ChecksumAlgorithm,
};
use std::time::Duration;

/// Where the settings of a store are not those of the environment.
///
/// What is none here is taken from where every AWS tool takes it: `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` for a store
/// that is not Amazon's, `AWS_REGION`, `AWS_PROFILE` and the shared config files, roles of Lambda, ECS and EC2,
/// `AWS_REQUEST_CHECKSUM_CALCULATION=when_required` for stores that refuse checksum headers (older Ceph). With an
/// endpoint of its own a store is addressed by path (`https://host/bucket/key`).
#[derive(Debug, Clone)]
pub struct Settings {
    /// The store's address.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// An access key and its secret.
    pub credentials: Option<(String, Secret)>,
    /// Which checksums requests carry.
    pub checksums: Checksums,
    /// The account that must own the bucket, so that a bucket of the same name in other hands gets nothing.
    pub owner: Option<String>,
    /// Objects up to this size are copied by one request (S3 caps that at 5 GiB), larger ones in parts.
    pub copy_at_once: u64,
}

/// Which checksums requests carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksums {
    /// A CRC-32 of every body, unless the environment says otherwise. The store compares before it stores.
    Always,
    /// Only where the protocol demands one: for stores that refuse the others.
    WhenRequired,
}

impl Default for Settings {
    fn default() -> Self {
        Self { endpoint: None, region: None, credentials: None, checksums: Checksums::Always, owner: None, copy_at_once: 5 << 30 }
    }
}

/// A client that knows the bucket's region.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: Client,
    /// Whether this is a store of its own address: its protocol may have gaps.
    pub(super) foreign: bool,
    /// What multipart uploads must name at their beginning for their parts to carry checksums.
    pub(super) part_checksum: Option<ChecksumAlgorithm>,
}

/// No reply for this long is a fault. Completing an upload of 10,000 parts takes S3 minutes.
const SILENCE: Duration = Duration::from_mins(5);

#[expect(clippy::disallowed_methods, reason = "the SDK reads this variable itself and does not say that it did")]
fn endpoint_in_environment() -> bool {
    std::env::var_os("AWS_ENDPOINT_URL_S3").is_some_and(|url| !url.is_empty())
}

/// Makes a client for one bucket.
pub(super) async fn connect(settings: &Settings, bucket: &str) -> Result<Connection> {
    let access = Access { endpoint: settings.endpoint.clone(), credentials: settings.credentials.clone() };
    let shared = load(&access, settings.region.as_deref(), SILENCE).await;
    let foreign = shared.endpoint_url().is_some() || (settings.endpoint.is_none() && endpoint_in_environment());
    let mut config = aws_sdk_s3::config::Builder::from(&shared).force_path_style(foreign);
    if shared.region().is_none() {
        config = config.region(Region::new("us-east-1"));
    }
    let lean = settings.checksums == Checksums::WhenRequired
        || shared.request_checksum_calculation() == Some(RequestChecksumCalculation::WhenRequired);
    if lean {
        config = config
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    }
    let part_checksum = (!lean).then_some(ChecksumAlgorithm::Crc32);
    let client = Client::from_conf(config.clone().build());
    if foreign {
        return Ok(Connection { client, foreign, part_checksum });
    }
    let here = client.config().region().map(ToString::to_string);
    let client = match region_of(&client, bucket).await? {
        Some(region) if Some(&region) != here.as_ref() => Client::from_conf(config.region(Region::new(region)).build()),
        _ => client,
    };
    Ok(Connection { client, foreign, part_checksum })
}

/// Asks where a bucket is: a copy's vault is in another region than the function that writes it. S3 says so in a header
/// of every answer, refusals included.
async fn region_of(client: &Client, bucket: &str) -> Result<Option<String>> {
    const HEADER: &str = "x-amz-bucket-region";
    match client.head_bucket().bucket(bucket).send().await {
        Ok(found) => Ok(found.bucket_region().map(str::to_owned)),
        Err(error) => match error.raw_response().and_then(|response| response.headers().get(HEADER)) {
            Some(region) => Ok(Some(region.to_owned())),
            None => Err(Asked { action: "s3:ListBucket", of: bucket }.refused_with(&error)),
        },
    }
}
