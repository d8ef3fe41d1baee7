//! Who may wake a function over HTTP, where the platform is told to send proof of who calls.
//!
//! Set `LASTGOOD_AUDIENCE` and `LASTGOOD_CALLERS`, and only those service accounts of Google's are answered. Where nothing is
//! set, who may call is for the platform alone to check.

use crate::error::{Error, Result, invalid};
use axum::{
    Json,
    http::{HeaderMap, StatusCode, header::WWW_AUTHENTICATE},
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::collections::BTreeSet;

/// What is asked of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// `LASTGOOD_AUDIENCE`: whom its token must be for.
    pub audience: String,
    /// `LASTGOOD_CALLERS`: the addresses of which one must be its own.
    pub callers: BTreeSet<String>,
    /// `LASTGOOD_SIGNATURES=cloud-run`: Cloud Run checks the signature, and takes it off.
    pub platform_checks: bool,
    /// `LASTGOOD_CERTS`: where the issuer's keys are, if not where Google shows them.
    pub certs: Option<String>,
}

impl Proof {
    /// Reads what an environment asks of callers.
    pub(super) fn read(var: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let callers: BTreeSet<_> = var("LASTGOOD_CALLERS")
            .iter()
            .flat_map(|text| text.split(','))
            .map(|caller| caller.trim().to_owned())
            .filter(|caller| !caller.is_empty())
            .collect();
        let platform_checks = match var("LASTGOOD_SIGNATURES").as_deref() {
            None | Some("google") => false,
            Some("cloud-run") => true,
            Some(other) => {
                return Err(
                    invalid(format!("LASTGOOD_SIGNATURES is {:?}", crate::redact::clip(other, 20))).hint("write google or cloud-run")
                );
            }
        };
        let Some(audience) = var("LASTGOOD_AUDIENCE") else {
            return if callers.is_empty() && !platform_checks {
                Ok(None)
            } else {
                Err(invalid("who may call is named, and LASTGOOD_AUDIENCE is not set").hint("set it to the URL of this service"))
            };
        };
        if callers.is_empty() || callers.iter().any(|caller| !caller.contains('@')) {
            return Err(invalid("LASTGOOD_AUDIENCE is set, and LASTGOOD_CALLERS names no service account").hint(
                "anybody can get a token for any audience: name who may call, as wake@PROJECT.iam.gserviceaccount.com, commas between",
            ));
        }
        let certs = var("LASTGOOD_CERTS");
        if certs.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://127.0.0.1:")) {
            return Err(invalid("LASTGOOD_CERTS is no https URL").hint("leave it out: Google's keys are found without it"));
        }
        Ok(Some(Self { audience, callers, platform_checks, certs }))
    }
}

/// The check of every call.
#[derive(Debug)]
pub(super) enum Gate {
    /// The platform checks.
    Open,
    /// Each call shows a token of Google's.
    #[cfg(feature = "gcp")]
    Tokens(crate::providers::gcp::IdTokens),
}

impl Gate {
    /// A gate that asks for this.
    #[cfg_attr(feature = "gcp", expect(clippy::unnecessary_wraps, reason = "other builds have no such gate"))]
    pub(super) fn new(proof: Option<Proof>) -> Result<Self> {
        match proof {
            None => Ok(Self::Open),
            #[cfg(feature = "gcp")]
            Some(Proof { audience, callers, platform_checks, certs }) => {
                let expected = crate::providers::gcp::Expected { audience, callers, platform_checks, certs };
                Ok(Self::Tokens(crate::providers::gcp::IdTokens::new(expected)))
            }
            #[cfg(not(feature = "gcp"))]
            Some(_) => Err(crate::error::unsupported("this build cannot check tokens of Google's, and LASTGOOD_AUDIENCE is set")
                .hint("use a build with the feature `gcp`")),
        }
    }

    /// Lets a call in, or returns the answer to one that may not.
    #[cfg(feature = "gcp")]
    pub(super) async fn admit(&self, headers: &HeaderMap) -> Result<(), Box<Response>> {
        use crate::providers::gcp::Unproven;
        let Self::Tokens(tokens) = self else { return Ok(()) };
        // Where Cloud Run finds this header it checks its token, and not the other one's.
        let checked = headers.get("x-serverless-authorization").filter(|_| tokens.platform_checks());
        let shown = checked.or_else(|| headers.get("authorization")).and_then(|value| value.to_str().ok());
        let Err(unproven) = tokens.caller(shown).await else { return Ok(()) };
        Err(Box::new(match unproven {
            Unproven::Nobody(why) => turned_away(StatusCode::UNAUTHORIZED, &why),
            Unproven::Stranger(who) => turned_away(StatusCode::FORBIDDEN, &format!("{who:?} may not call")),
            Unproven::Unknown(error) => super::http::refused(&error),
        }))
    }

    /// Lets every call in: this build has no other gate.
    #[cfg(not(feature = "gcp"))]
    #[expect(clippy::unused_async, reason = "other builds ask Google")]
    pub(super) async fn admit(&self, _: &HeaderMap) -> Result<(), Box<Response>> {
        Ok(())
    }
}

#[cfg_attr(not(feature = "gcp"), expect(dead_code, reason = "this build turns nobody away"))]
fn turned_away(status: StatusCode, why: &str) -> Response {
    tracing::warn!(status = status.as_u16(), "a call was turned away: {why}");
    let body = Json(json!({ "error": "Lastgood.Refused", "message": why }));
    let mut response = (status, body).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, axum::http::HeaderValue::from_static("Bearer"));
    }
    response
}

/// What keeps a service from listening at all.
pub(super) fn unusable(error: &Error) {
    tracing::error!(hint = error.advice(), "{}", error.full());
}
