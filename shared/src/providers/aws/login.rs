//! Logging in to a database of RDS by IAM: no password is kept by anybody. A token is a signed request that is shown as a
//! password; RDS takes it for 15 minutes, and a session that began with it lasts.

use super::Aws;
use crate::{
    clock::Clock,
    error::{Result, denied},
    ports::Secret,
    providers::postgres::url::Mint,
};
use aws_sdk_rds::config::{Credentials, ProvideCredentials};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// As long as RDS takes a token for.
const LIFETIME: Duration = Duration::from_mins(15);
/// A reply takes no longer than this, if credentials have to be asked for.
const PATIENCE: Duration = Duration::from_secs(10);
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The role that this runs with, as databases of one region know it.
#[derive(Debug)]
pub struct IamLogin {
    credentials: Credentials,
    region: String,
    clock: Arc<dyn Clock>,
}

impl IamLogin {
    /// Asks the environment for credentials; nothing is asked of AWS.
    pub async fn open(aws: &Aws, region: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        let missing = || denied("no AWS credentials were found to log in to the database with");
        let provider = aws.in_region(region, PATIENCE).await.credentials_provider().ok_or_else(missing)?;
        let credentials = provider.provide_credentials().await.map_err(|error| missing().because(error))?;
        Ok(Self { credentials, region: region.to_owned(), clock })
    }
}

impl Mint for IamLogin {
    fn mint(&self, host: &str, port: u16, user: &str) -> Option<Secret> {
        let url = format!("https://{host}:{port}/?Action=connect&DBUser={}", utf8_percent_encode(user, ESCAPED));
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(LIFETIME);
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder().identity(&identity).region(&self.region).name("rds-db");
        let params = params.time(SystemTime::from(self.clock.now())).settings(settings).build().ok()?.into();
        let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::empty()).ok()?;
        let (instructions, _) = sign(request, &params).ok()?.into_parts();
        let signature = instructions.params().iter().map(|(name, value)| format!("&{name}={}", utf8_percent_encode(value, ESCAPED)));
        let token = signature.fold(url, |url, pair| url + &pair);
        token.strip_prefix("https://").map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use async_trait::async_trait;

    /// Three in the morning.
    #[derive(Debug)]
    struct Night;

    #[async_trait]
    impl Clock for Night {
        fn now(&self) -> Timestamp {
            "2026-11-20T03:00:00Z".parse().unwrap()
        }

        async fn sleep(&self, _: Duration) {}
    }

    fn token(session: Option<&str>) -> Secret {
        let credentials =
            Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", session.map(str::to_owned), None, "test");
        let clock = Arc::new(Night);
        let login = IamLogin { credentials, region: "eu-west-1".to_owned(), clock };
        login.mint("orders.abc.eu-west-1.rds.amazonaws.com", 5432, "lastgood").unwrap()
    }

    /// The same parameters in another order: what RDS reads is a query.
    fn parts(token: &str) -> Vec<&str> {
        let mut parts: Vec<_> = token.split(['?', '&']).collect();
        parts.sort_unstable();
        parts
    }

    /// What botocore 1.44.5 makes of the same host, role, key and moment.
    #[test]
    fn a_token_is_the_one_that_other_sdks_make() {
        let plain = "orders.abc.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=lastgood&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261120%2Feu-west-1%2Frds-db%2Faws4_request&X-Amz-Date=20261120T030000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=9eee0ac6ec30f7912e1d4d8cc2bdf154ce223792ef134272287229969bd1c734";
        let session = "orders.abc.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=lastgood&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261120%2Feu-west-1%2Frds-db%2Faws4_request&X-Amz-Date=20261120T030000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=tok%2Fen%2B%3D%3D&X-Amz-Signature=76490f20301f0ea4e7a34cafc4c4a2761d7cffb18174512f64034a302a354c76";
        assert_eq!(parts(token(None).expose()), parts(plain));
        assert_eq!(parts(token(Some("tok/en+==")).expose()), parts(session));
    }
}
