//! Google Secret Manager: `secret:gcp:NAME[#field]`, a `NAME` being `projects/P/secrets/S`, with `/versions/V` where not the
//! newest is meant, or `S` of the project that this runs in.
//!
//! A value is asked for once in an invocation and kept no longer than that, so that a rotation counts from the next one on.
//! The newest version counts even where it is disabled: an older one is never taken instead, for it may be the one that leaked.

use super::{
    access::Google,
    call::{Ask, Call, Service},
    refused::Refused,
};
use crate::{
    error::{Error, Kind, Result, corrupt, invalid, out_of_time, unsupported},
    ports::Secret,
    providers::secrets::value::Store,
    redact,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use crc_fast::CrcAlgorithm;
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

const STORE: Store = Store { scheme: "secret:gcp:", give: "give it a value with `gcloud secrets versions add`" };
const RIGHT: &str = "secretmanager.versions.access";
/// A value that is not there by then is not waited for: an operator is better told.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes that came with another checksum than they have are asked for again, so often.
const TRIES: usize = 2;

/// The secrets of Secret Manager, each asked for once.
#[derive(Debug, Default)]
pub struct GcpSecrets {
    google: Arc<Google>,
    values: Mutex<HashMap<String, Arc<OnceCell<Secret>>>>,
}

/// A version of a secret.
struct Version<'a> {
    project: Option<&'a str>,
    secret: &'a str,
    number: &'a str,
}

impl GcpSecrets {
    /// Secrets that are reached in this way. Reaches nothing yet.
    pub fn new(google: Arc<Google>) -> Self {
        Self { google, values: Mutex::default() }
    }

    /// Returns the value of a secret's newest version, or of the one that is named, or one field of its JSON.
    pub async fn value(&self, name: &str, field: Option<&str>) -> Result<Secret> {
        let cell = self.values.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default().clone();
        let whole = cell.get_or_try_init(|| async {
            let asked = tokio::time::timeout(PATIENCE, self.ask(name)).await;
            asked.unwrap_or_else(|_| Err(out_of_time(format!("secret {name} was not given within {} s", PATIENCE.as_secs()))))
        });
        STORE.part(whole.await?, name, field)
    }

    async fn ask(&self, name: &str) -> Result<Secret> {
        let version = Version::read(name)?;
        let project = match version.project {
            Some(project) => project.to_owned(),
            None => self.google.project().await.map_err(|error| {
                error
                    .during(format_args!("looking for secret {name}"))
                    .hint("set GOOGLE_CLOUD_PROJECT, or write projects/PROJECT/secrets/NAME")
            })?,
        };
        let path = format!("/v1/projects/{project}/secrets/{}/versions/{}:access", version.secret, version.number);
        let call = Call::new(self.google.clone(), Service::Secrets);
        let mut damaged = 0;
        loop {
            let reply = call.ask(&Ask::get(path.as_str())).await.map_err(|refused| told(name, refused))?;
            match payload(name, &version, &Zeroizing::new(reply.body.to_vec())) {
                Err(error) if error.kind() == Kind::Corrupt && damaged + 1 < TRIES => damaged += 1,
                Err(error) => return Err(error),
                Ok(bytes) => {
                    let text = std::str::from_utf8(&bytes).map_err(|_| {
                        unsupported(format!("secret {name} is binary"))
                            .hint("store it as text: gcloud secrets versions add NAME --data-file=…")
                    })?;
                    return STORE.take(name, text);
                }
            }
        }
    }
}

impl<'a> Version<'a> {
    fn read(name: &'a str) -> Result<Self> {
        let (secret, number, project) = match name.split('/').collect::<Vec<_>>()[..] {
            [secret] => (secret, "latest", None),
            ["projects", project, "secrets", secret] => (secret, "latest", Some(project)),
            ["projects", project, "secrets", secret, "versions", number] => (secret, number, Some(project)),
            _ => ("", "", None),
        };
        let word =
            |text: &str, more: &str| (1..=255).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        if word(secret, "-_") && word(number, "-_") && project.is_none_or(|project| word(project, "-.:")) {
            return Ok(Self { project, secret, number });
        }
        Err(invalid(format!("{} is no name of a secret", redact::clip(&redact::text(name), 120)))
            .hint("write secret:gcp:projects/PROJECT/secrets/NAME, or secret:gcp:NAME for one of the project that this runs in"))
    }

    /// Whether the service answered about what was asked. It says a project's number where its id was asked for.
    fn is(&self, said: &str) -> bool {
        match said.split('/').collect::<Vec<_>>()[..] {
            ["projects", _, "secrets", secret, "versions", version] => {
                let numbered = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
                let wanted = !self.number.bytes().all(|byte| byte.is_ascii_digit()) || version == self.number;
                secret == self.secret && numbered && wanted
            }
            _ => false,
        }
    }
}

/// The bytes of a reply, once its name and checksum are what they must be. Nothing of the reply is repeated in an error.
fn payload(name: &str, version: &Version<'_>, body: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let strange = |why: &str| unsupported(format!("{RIGHT} on secret {name}: {why}"));
    let mut reply: Value = serde_json::from_slice(body).map_err(|_| strange("the answer is no JSON"))?;
    if !version.is(reply["name"].as_str().unwrap_or_default()) {
        return Err(strange("the answer is about another secret"));
    }
    let Value::String(data) = reply["payload"]["data"].take() else { return Err(strange("the answer holds no value")) };
    let bytes = STANDARD.decode(&*Zeroizing::new(data)).map(Zeroizing::new).map_err(|_| strange("the value is not base64"))?;
    // A secret that is older than the checksums has none.
    let sum = match &reply["payload"]["dataCrc32c"] {
        Value::Null => return Ok(bytes),
        Value::String(text) => text.parse::<u64>().ok(),
        Value::Number(number) => number.as_u64(),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    if sum == Some(crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, &bytes)) {
        return Ok(bytes);
    }
    Err(corrupt(format!("secret {name} has another checksum than it came with")).hint("try again; if it stays so, add the value anew"))
}

/// Tells a refusal as ours.
fn told(name: &str, refused: Refused) -> Error {
    const ELSEWHERE: &str = "create it and give it a value, or mend its name in the config; one of another project is written \
                             projects/PROJECT/secrets/NAME";
    let (kind, words, hint) = match &refused {
        Refused::Answered { status: 404, .. } => (Kind::NotFound, "there is no such secret, or it has no value", ELSEWHERE),
        Refused::Answered { status: 400, message, .. } if message.contains("DISABLED") => {
            (Kind::NotFound, "its version is disabled", "enable it with `gcloud secrets versions enable`, or add a new one")
        }
        Refused::Answered { status: 400, message, .. } if message.contains("DESTROYED") => {
            (Kind::NotFound, "its version was destroyed", "add a new one with `gcloud secrets versions add`")
        }
        Refused::Answered { status: 400, reason, .. } if reason == "FAILED_PRECONDITION" => {
            (Kind::Denied, "it cannot be read now", "check that its version and its KMS key are enabled")
        }
        Refused::Answered { status: 403, message, .. } if message.contains("has not been used") || message.contains("is disabled") => (
            Kind::Denied,
            "the Secret Manager API is off in that project",
            "switch it on with `gcloud services enable secretmanager.googleapis.com`",
        ),
        Refused::Answered { status: 403, reason, .. } if reason == "PERMISSION_DENIED" => (
            Kind::Denied,
            "not allowed",
            "grant roles/secretmanager.secretAccessor on this secret to the service account that this runs with",
        ),
        Refused::Answered { .. } | Refused::Silent(_) | Refused::Strange(_) | Refused::Nobody(_) => {
            return refused.told(RIGHT, &format!("secret {name}"));
        }
    };
    let Refused::Answered { status, message, .. } = &refused else { return refused.told(RIGHT, &format!("secret {name}")) };
    let said = redact::clip(&format!("HTTP {status}: {message}"), 500);
    Error::new(kind, format!("{RIGHT} on secret {name}: {words}")).because(said).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(name: &str) -> Version<'_> {
        Version::read(name).unwrap()
    }

    #[test]
    fn a_name_is_of_this_project_or_says_its_own_and_can_ask_for_nothing_else() {
        let own = version("orders-url");
        assert_eq!((own.project, own.secret, own.number), (None, "orders-url", "latest"));
        let far = version("projects/acme-prod/secrets/orders_url/versions/7");
        assert_eq!((far.project, far.secret, far.number), (Some("acme-prod"), "orders_url", "7"));
        for bad in ["", "a/b", "projects/p/secrets/../x", "projects/p/secrets/a%2F..", "a?b", "projects//secrets/a", "a:destroy", "a b"] {
            assert_eq!(Version::read(bad).err().unwrap().kind(), Kind::Invalid, "{bad}");
        }
    }

    #[test]
    fn a_reply_must_be_about_what_was_asked() {
        assert!(version("a").is("projects/123456789012/secrets/a/versions/7"));
        assert!(version("projects/p/secrets/a/versions/7").is("projects/123456789012/secrets/a/versions/7"));
        assert!(!version("projects/p/secrets/a/versions/8").is("projects/123456789012/secrets/a/versions/7"));
        for other in ["", "projects/1/secrets/b/versions/7", "projects/1/secrets/a", "projects/1/secrets/a/versions/latest"] {
            assert!(!version("a").is(other), "{other}");
        }
    }

    #[test]
    fn r45_a_reply_that_is_not_understood_is_never_repeated() {
        for reply in [
            r"canary",
            r#"{"payload":"canary"}"#,
            r#"{"name":"projects/1/secrets/a/versions/1","payload":{"data":["canary"]}}"#,
            r#"{"name":"projects/1/secrets/a/versions/1","payload":{"data":"canary!"}}"#,
            r#"{"name":"projects/1/secrets/canary/versions/1","payload":{"data":"Y2FuYXJ5"}}"#,
            r#"{"name":"projects/1/secrets/a/versions/1","payload":{"data":"Y2FuYXJ5","dataCrc32c":"1"}}"#,
            r#"{"name":"projects/1/secrets/a/versions/1","payload":{"data":"Y2FuYXJ5","dataCrc32c":"canary"}}"#,
        ] {
            let error = payload("a", &version("a"), reply.as_bytes()).unwrap_err();
            let said = format!("{} {:?}", error.full(), error.advice());
            assert!(!said.contains("canary") && !said.contains("Y2FuYXJ5"), "{said}");
        }
    }
}
