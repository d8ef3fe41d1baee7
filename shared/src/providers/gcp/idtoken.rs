//! Who calls: the identity tokens that Google puts into a push, a scheduled call or an event's delivery.
//!
//! A token counts when Google signed it (RS256, by a key that Google shows over TLS), for our audience, not too long ago, for a
//! verified address that is expected here. Anybody with a service account can get a token for any audience, so without the
//! address it would say nothing. The token itself is never logged.

use crate::error::{Error, Kind, Result, failed, retry};
use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind, Validation,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    jwk::JwkSet,
    signature,
};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// Where Google shows the keys that it signs with.
const CERTS: &str = "https://www.googleapis.com/oauth2/v3/certs";
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// What Cloud Run leaves of a signature that it has checked itself, so that the token cannot be used again elsewhere.
const CHECKED: &str = "SIGNATURE_REMOVED_BY_GOOGLE";
/// The longest token: Google's have about 1 KiB.
const LONGEST: usize = 8 << 10;
/// The most that is read of the keys.
const MOST: usize = 256 << 10;
/// Keys are asked for anew after so long; Google changes them about once a week and shows new ones long before.
const FRESH: Duration = Duration::from_hours(1);
/// Keys that could not be asked for anew are good for so long.
const STALE: Duration = Duration::from_hours(24);
/// However many unknown keys are named, Google is asked no more often.
const PAUSE: Duration = Duration::from_secs(30);
/// Clocks may differ by this.
const LEEWAY: u64 = 30;

/// Who may call, and with tokens for whom.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The audience that tokens must be for: the service's own URL, most often.
    pub audience: String,
    /// The addresses of the service accounts that may call.
    pub callers: BTreeSet<String>,
    /// Whether Cloud Run has checked each signature before the call came here.
    pub platform_checks: bool,
    /// Where the keys are, if not where Google shows them.
    pub certs: Option<String>,
}

/// Why a call is not answered.
#[derive(Debug)]
pub enum Unproven {
    /// It shows no token that counts, and why.
    Nobody(String),
    /// It is somebody, but nobody who may call.
    Stranger(String),
    /// It could not be found out.
    Unknown(Error),
}

/// The check of identity tokens, with the keys that it knows.
#[derive(Debug)]
pub struct IdTokens {
    expected: Expected,
    keys: Mutex<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    by_id: HashMap<String, DecodingKey>,
    got: Option<Instant>,
    asked: Option<Instant>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    exp: u64,
    #[serde(default)]
    email: String,
    #[serde(default)]
    email_verified: bool,
}

impl IdTokens {
    /// A check that has asked for no keys yet.
    pub fn new(expected: Expected) -> Self {
        // A process has one provider; whoever came first brought the same.
        let _ = PROVIDER.install_default();
        Self { expected, keys: Mutex::default() }
    }

    /// Whether Cloud Run has checked each signature before.
    pub fn platform_checks(&self) -> bool {
        self.expected.platform_checks
    }

    /// Returns the address of whoever shows this token (the value of an `Authorization` header).
    pub async fn caller(&self, authorization: Option<&str>) -> Result<String, Unproven> {
        let nobody = |why: &str| Unproven::Nobody(why.to_owned());
        let token = authorization.ok_or_else(|| nobody("no token was shown"))?;
        let token = token.strip_prefix("Bearer ").or_else(|| token.strip_prefix("bearer ")).map(str::trim);
        let token = token.filter(|token| token.len() <= LONGEST).ok_or_else(|| nobody("what was shown is no token"))?;
        let header = jsonwebtoken::decode_header(token).map_err(|_| nobody("what was shown is no token"))?;
        if header.alg != Algorithm::RS256 {
            return Err(nobody("the token is signed in another way than Google signs"));
        }
        let claims = if self.expected.platform_checks && token.rsplit('.').next() == Some(CHECKED) {
            jsonwebtoken::dangerous::insecure_decode::<Claims>(token).map_err(|_| nobody("the token says too little"))?.claims
        } else {
            let id = header.kid.filter(|id| id.len() <= 128).ok_or_else(|| nobody("the token does not say who signed it"))?;
            let key = self.key(&id).await?;
            let mut validation = Validation::new(Algorithm::RS256);
            validation.leeway = LEEWAY;
            validation.validate_nbf = true;
            validation.set_audience(&[&self.expected.audience]);
            validation.set_issuer(&ISSUERS);
            validation.set_required_spec_claims(&["exp", "aud", "iss"]);
            let read = jsonwebtoken::decode::<Claims>(token, &key, &validation);
            read.map_err(|error| Unproven::Nobody(format!("the token does not hold: {error}")))?.claims
        };
        self.expected.hold(claims, jsonwebtoken::get_current_timestamp())
    }

    async fn key(&self, id: &str) -> Result<DecodingKey, Unproven> {
        let mut keys = self.keys.lock().await;
        let younger = |at: Option<Instant>, than: Duration| at.is_some_and(|at| at.elapsed() < than);
        let known = keys.by_id.get(id).cloned();
        if let Some(key) = known.clone().filter(|_| younger(keys.got, FRESH)) {
            return Ok(key);
        }
        let usable = known.filter(|_| younger(keys.got, STALE));
        if younger(keys.asked, PAUSE) {
            return usable.ok_or_else(|| Unproven::Nobody("the token is signed with a key that Google does not show".to_owned()));
        }
        keys.asked = Some(Instant::now());
        match (certs(self.expected.certs.as_deref().unwrap_or(CERTS)).await, usable) {
            (Ok(found), _) => {
                (keys.by_id, keys.got) = (found, Some(Instant::now()));
                let key = keys.by_id.get(id).cloned();
                key.ok_or_else(|| Unproven::Nobody("the token is signed with a key that Google does not show".to_owned()))
            }
            (Err(error), Some(key)) => {
                tracing::warn!("Google's keys could not be got anew: {}", error.full());
                Ok(key)
            }
            (Err(error), None) => {
                keys.asked = None;
                Err(Unproven::Unknown(error))
            }
        }
    }
}

impl Expected {
    /// Whether the claims of a token are those of somebody who may call now.
    fn hold(&self, claims: Claims, now: u64) -> Result<String, Unproven> {
        let nobody = |why: &str| Err(Unproven::Nobody(why.to_owned()));
        match &claims {
            claims if !ISSUERS.contains(&claims.iss.as_str()) => nobody("the token is of another issuer than Google"),
            claims if claims.aud != self.audience => nobody("the token is for another audience"),
            claims if claims.exp + LEEWAY < now => nobody("the token has expired"),
            claims if !claims.email_verified || !self.callers.contains(&claims.email) => {
                Err(Unproven::Stranger(crate::redact::clip(&claims.email, 120)))
            }
            _ => Ok(claims.email),
        }
    }
}

async fn certs(url: &str) -> Result<HashMap<String, DecodingKey>> {
    let unreached = |error: reqwest::Error| retry("the keys that Google signs with could not be got").because(error.without_url());
    crate::providers::tls::settle();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(5));
    let client = client.build().map_err(|error| failed("making a client for Google").because(error))?;
    let mut answered = client.get(url).send().await.map_err(unreached)?.error_for_status().map_err(unreached)?;
    let mut body = Vec::new();
    while let Some(chunk) = answered.chunk().await.map_err(unreached)? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST {
            return Err(retry("the keys that Google signs with are too long"));
        }
    }
    let set: JwkSet = serde_json::from_slice(&body)
        .map_err(|error| Error::new(Kind::Retry, "the keys that Google signs with are not understood").because(error))?;
    Ok(set.keys.iter().filter_map(|jwk| Some((jwk.common.key_id.clone()?, DecodingKey::from_jwk(jwk).ok()?))).collect())
}

/// What `jsonwebtoken` reckons with: the `ring` that our TLS uses too, for the one algorithm that Google signs with.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(jsonwebtoken::errors::ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: |algorithm, key| match (algorithm, key.kind()) {
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => Ok(Box::new(Rs256 { n: n.clone(), e: e.clone() })),
        _ => Err(jsonwebtoken::errors::ErrorKind::InvalidAlgorithm.into()),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct Rs256 {
    n: Vec<u8>,
    e: Vec<u8>,
}

impl signature::Verifier<Vec<u8>> for Rs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        let key = RsaPublicKeyComponents { n: &self.n, e: &self.e };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_expected_caller_with_a_token_for_us_that_has_not_expired_counts() {
        let expected = Expected {
            audience: "https://lastgood.example".to_owned(),
            callers: BTreeSet::from(["wake@acme.iam.gserviceaccount.com".to_owned()]),
            platform_checks: true,
            certs: None,
        };
        let claims = |iss: &str, aud: &str, exp: u64, email: &str, email_verified: bool| Claims {
            iss: iss.to_owned(),
            aud: aud.to_owned(),
            exp,
            email: email.to_owned(),
            email_verified,
        };
        let (google, us, wake) = (ISSUERS[0], "https://lastgood.example", "wake@acme.iam.gserviceaccount.com");
        assert_eq!(expected.hold(claims(google, us, 1_000, wake, true), 1_000).unwrap(), wake);
        assert_eq!(expected.hold(claims(ISSUERS[1], us, 1_000, wake, true), 1_020).unwrap(), wake, "clocks differ a little");
        for (claims, stranger) in [
            (claims("https://evil.example", us, 1_000, wake, true), false),
            (claims(google, "https://other.example", 1_000, wake, true), false),
            (claims(google, us, 900, wake, true), false),
            (claims(google, us, 1_000, "wake@evil.iam.gserviceaccount.com", true), true),
            (claims(google, us, 1_000, wake, false), true),
            (claims(google, us, 1_000, "", true), true),
        ] {
            let refused = expected.hold(claims, 1_000).unwrap_err();
            assert_eq!(matches!(refused, Unproven::Stranger(_)), stranger, "{refused:?}");
        }
    }
}
