//! The permission that a copy out of another region carries: a request, signed for that region, which the service sends there
//! itself. The SDK for Rust does not make it, other SDKs do.

use crate::{
    clock::Timestamp,
    error::{Error, Result, denied, failed},
};
use aws_config::SdkConfig;
use aws_sdk_s3::config::{Credentials, ProvideCredentials};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::time::{Duration, SystemTime};

/// The source region is asked at once, or a little later when copies wait in a queue.
const LIFETIME: Duration = Duration::from_hours(1);
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a permission is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permission<'a> {
    /// The service, as signatures name it.
    pub(super) service: &'a str,
    /// The version of its query protocol.
    pub(super) version: &'a str,
    /// Its public address in the source region, whatever address it is reached by from here: the service itself calls it.
    pub(super) endpoint: &'a str,
    /// The source region.
    pub(super) source: &'a str,
    /// The region that copies.
    pub(super) destination: &'a str,
}

impl Permission<'_> {
    /// Signs a request with these parameters for the source region.
    pub(super) async fn presigned(self, config: &SdkConfig, parameters: &[(&str, &str)], now: Timestamp) -> Result<String> {
        let nobody = || denied("no AWS credentials were found to sign a copy with");
        let provider = config.credentials_provider().ok_or_else(nobody)?;
        let credentials = provider.provide_credentials().await.map_err(|error| nobody().because(error))?;
        self.signed(credentials, parameters, now)
    }

    fn signed(self, credentials: Credentials, parameters: &[(&str, &str)], now: Timestamp) -> Result<String> {
        let Self { service, version, endpoint, source, destination } = self;
        let fixed = [("Version", version), ("DestinationRegion", destination)];
        let query: Vec<_> = parameters.iter().chain(&fixed).map(|(name, value)| pair(name, value)).collect();
        let url = format!("{endpoint}/?{}", query.join("&"));
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(LIFETIME);
        let identity = credentials.into();
        let params = v4::SigningParams::builder().identity(&identity).region(source).name(service).time(SystemTime::from(now));
        let params = params.settings(settings).build().map_err(|error| unsigned().because(error))?.into();
        let request =
            SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::empty()).map_err(|error| unsigned().because(error))?;
        let (instructions, _) = sign(request, &params).map_err(|error| unsigned().because(error))?.into_parts();
        let signature: Vec<_> = instructions.params().iter().map(|(name, value)| pair(name, value)).collect();
        Ok(format!("{url}&{}", signature.join("&")))
    }
}

fn pair(name: &str, value: &str) -> String {
    format!("{name}={}", utf8_percent_encode(value, ESCAPED))
}

/// Says that a permission could not be made.
pub(super) fn unsigned() -> Error {
    failed("signing the copy for its source region")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_signed_for_its_source_region_and_says_where_it_goes() {
        let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", None, None, "test");
        let parameters = [("Action", "CopyDBSnapshot"), ("SourceDBSnapshotIdentifier", "arn:aws:rds:eu-west-1:1:snapshot:x")];
        let now = "2026-11-20T03:00:00Z".parse().unwrap();
        let endpoint = "https://rds.eu-west-1.amazonaws.com";
        let permission = Permission { service: "rds", version: "2014-10-31", endpoint, source: "eu-west-1", destination: "us-east-1" };
        let url = permission.signed(credentials, &parameters, now).unwrap();
        for part in [
            "https://rds.eu-west-1.amazonaws.com/?Action=CopyDBSnapshot&SourceDBSnapshotIdentifier=arn%3Aaws%3Ards%3Aeu-west-1%3A1%3Asnapshot%3Ax&",
            "Version=2014-10-31",
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
