//! The permission that a copy out of another region carries: a request, signed for that region, which RDS sends there itself.
//! The SDK for Rust does not make it, other SDKs do.

use super::look::Region;
use crate::{
    clock::Timestamp,
    error::{Error, Result, denied, failed},
};
use aws_sdk_rds::config::{
    Credentials, ProvideCredentials,
    endpoint::{DefaultResolver, Params, ResolveEndpoint},
};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::time::{Duration, SystemTime};

/// RDS asks the source region at once, or a little later when copies wait in a queue.
const LIFETIME: Duration = Duration::from_hours(1);
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Signs a request with these parameters for `source`, on behalf of `destination`.
pub(super) async fn presigned(source: &str, destination: &Region, parameters: &[(&str, &str)], now: Timestamp) -> Result<String> {
    let provider = destination.config.credentials_provider();
    let provider = provider.ok_or_else(|| denied("no AWS credentials were found to sign a copy with"))?;
    let credentials = provider.provide_credentials().await;
    let credentials = credentials.map_err(|error| denied("no AWS credentials were found to sign a copy with").because(error))?;
    signed(&endpoint(source).await?, source, destination.name(), credentials, parameters, now)
}

/// The public address of RDS in a region, whatever address it is reached by from here: RDS itself calls it.
async fn endpoint(region: &str) -> Result<String> {
    let params = Params::builder().region(region.to_owned()).build().map_err(|error| unsigned().because(error))?;
    let endpoint = DefaultResolver::new().resolve_endpoint(&params).await;
    Ok(endpoint.map_err(|error| unsigned().because(error))?.url().trim_end_matches('/').to_owned())
}

fn signed(
    endpoint: &str,
    source: &str,
    destination: &str,
    credentials: Credentials,
    parameters: &[(&str, &str)],
    now: Timestamp,
) -> Result<String> {
    let fixed = [("Version", "2014-10-31"), ("DestinationRegion", destination)];
    let query: Vec<_> = parameters.iter().chain(&fixed).map(|(name, value)| pair(name, value)).collect();
    let url = format!("{endpoint}/?{}", query.join("&"));
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFETIME);
    let identity = credentials.into();
    let params = v4::SigningParams::builder().identity(&identity).region(source).name("rds").time(SystemTime::from(now));
    let params = params.settings(settings).build().map_err(|error| unsigned().because(error))?.into();
    let request =
        SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::empty()).map_err(|error| unsigned().because(error))?;
    let (instructions, _) = sign(request, &params).map_err(|error| unsigned().because(error))?.into_parts();
    let signature: Vec<_> = instructions.params().iter().map(|(name, value)| pair(name, value)).collect();
    Ok(format!("{url}&{}", signature.join("&")))
}

fn pair(name: &str, value: &str) -> String {
    format!("{name}={}", utf8_percent_encode(value, ESCAPED))
}

fn unsigned() -> Error {
    failed("signing the copy for its source region")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_copy_is_signed_for_its_source_region_and_says_where_it_goes() {
        let endpoint = endpoint("eu-west-1").await.unwrap();
        assert_eq!(endpoint, "https://rds.eu-west-1.amazonaws.com");
        let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", None, None, "test");
        let parameters = [("Action", "CopyDBSnapshot"), ("SourceDBSnapshotIdentifier", "arn:aws:rds:eu-west-1:1:snapshot:x")];
        let now = "2026-11-20T03:00:00Z".parse().unwrap();
        let url = signed(&endpoint, "eu-west-1", "us-east-1", credentials, &parameters, now).unwrap();
        for part in [
            "https://rds.eu-west-1.amazonaws.com/?Action=CopyDBSnapshot&SourceDBSnapshotIdentifier=arn%3Aaws%3Ards%3Aeu-west-1%3A1%3Asnapshot%3Ax&",
            "DestinationRegion=us-east-1",
            "X-Amz-Credential=AKIDEXAMPLE%2F20261120%2Feu-west-1%2Frds%2Faws4_request",
            "X-Amz-Expires=3600",
            "X-Amz-Signature=",
        ] {
            assert!(url.contains(part), "{part} in {url}");
        }
        assert!(!url.contains("wJalr"));
    }
}
