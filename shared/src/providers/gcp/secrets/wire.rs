//! How Secret Manager is asked for a value, and what it says when it refuses: for whoever resolves a reference and for whoever exports.

use crate::{
    error::{Error, Kind, Result, corrupt, invalid, unsupported},
    providers::gcp::{
        call::{Ask, Call, escaped},
        refused::Refused,
    },
    redact,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use crc_fast::CrcAlgorithm;
use serde_json::Value;
use zeroize::Zeroizing;

/// What reading a value takes.
pub(super) const ACCESS: &str = "secretmanager.versions.access";
/// What listing takes.
pub(super) const LIST: &str = "secretmanager.secrets.list";
/// Bytes that came with another checksum than they have are asked for again, so often.
const TRIES: usize = 2;

/// A version of a secret.
pub(super) struct Version<'a> {
    pub(super) project: Option<&'a str>,
    pub(super) secret: &'a str,
    pub(super) number: &'a str,
}

/// A version, and how errors call the secret.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) version: &'a Version<'a>,
    pub(super) of: &'a str,
}

/// A value, and the number of the version that it is.
#[derive(Debug)]
pub(super) struct Accessed {
    pub(super) number: String,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

/// Why there is no value.
pub(super) enum Missed {
    /// The service refused.
    Refused(Refused),
    /// What it answered is no good.
    Bad(Error),
}

impl Missed {
    /// Tells it as ours.
    pub(super) fn told(self, of: &str) -> Error {
        match self {
            Self::Refused(refused) => told(ACCESS, &format!("secret {of}"), refused),
            Self::Bad(error) => error,
        }
    }
}

/// Reads a version: its bytes, once they are what they came with.
pub(super) async fn access(call: &Call, project: &str, named: Named<'_>) -> Result<Accessed, Missed> {
    let Version { secret, number, .. } = named.version;
    let path = format!("/v1/projects/{project}/secrets/{}/versions/{number}:access", escaped(secret));
    let mut damaged = 0;
    loop {
        let reply = call.ask(&Ask::get(path.as_str())).await.map_err(Missed::Refused)?;
        match payload(named.of, named.version, &Zeroizing::new(reply.body.to_vec())) {
            Err(error) if error.kind() == Kind::Corrupt && damaged + 1 < TRIES => damaged += 1,
            other => return other.map_err(Missed::Bad),
        }
    }
}

/// The checksum that Secret Manager keeps with a value: CRC-32C.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes)
}

impl<'a> Version<'a> {
    pub(super) fn read(name: &'a str) -> Result<Self> {
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

    /// The number of the version that the service answered about, where that is what was asked. It says a project's number where its
    /// id was asked for.
    fn answered<'b>(&self, said: &'b str) -> Option<&'b str> {
        match said.split('/').collect::<Vec<_>>()[..] {
            ["projects", _, "secrets", secret, "versions", version] => {
                let numbered = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
                let wanted = !self.number.bytes().all(|byte| byte.is_ascii_digit()) || version == self.number;
                (secret == self.secret && numbered && wanted).then_some(version)
            }
            _ => None,
        }
    }
}

/// The bytes of a reply, once its name and checksum are what they must be. Nothing of the reply is repeated in an error.
fn payload(name: &str, version: &Version<'_>, body: &[u8]) -> Result<Accessed> {
    let strange = |why: &str| unsupported(format!("{ACCESS} on secret {name}: {why}"));
    let mut reply: Value = serde_json::from_slice(body).map_err(|_| strange("the answer is no JSON"))?;
    let number = version.answered(reply["name"].as_str().unwrap_or_default());
    let number = number.ok_or_else(|| strange("the answer is about another secret"))?.to_owned();
    let Value::String(data) = reply["payload"]["data"].take() else { return Err(strange("the answer holds no value")) };
    let bytes = STANDARD.decode(&*Zeroizing::new(data)).map(Zeroizing::new).map_err(|_| strange("the value is not base64"))?;
    // A secret that is older than the checksums has none.
    let sum = match &reply["payload"]["dataCrc32c"] {
        Value::Null => return Ok(Accessed { number, bytes }),
        Value::String(text) => text.parse::<u64>().ok(),
        Value::Number(number) => number.as_u64(),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    if sum == Some(checksum(&bytes)) {
        return Ok(Accessed { number, bytes });
    }
    Err(corrupt(format!("secret {name} has another checksum than it came with")).hint("try again; if it stays so, add the value anew"))
}

/// Tells a refusal as ours: the right that was used, and of which secret.
pub(super) fn told(right: &str, of: &str, refused: Refused) -> Error {
    const ELSEWHERE: &str = "create it and give it a value, or mend its name in the config; one of another project is written \
                             projects/PROJECT/secrets/NAME";
    let (kind, words, hint) = match &refused {
        Refused::Answered { status: 404, .. } if right == LIST => {
            (Kind::NotFound, "there is no such project", "mend `project` of this asset in the config: the id, not the name")
        }
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
        Refused::Answered { status: 403, reason, .. } if reason == "PERMISSION_DENIED" && right == ACCESS => (
            Kind::Denied,
            "not allowed",
            "grant roles/secretmanager.secretAccessor on this secret to the service account that this runs with",
        ),
        Refused::Answered { .. } | Refused::Silent(_) | Refused::Strange(_) | Refused::Nobody(_) => {
            return refused.told(right, of);
        }
    };
    let Refused::Answered { status, message, .. } = &refused else { return refused.told(right, of) };
    let said = redact::clip(&format!("HTTP {status}: {message}"), 500);
    Error::new(kind, format!("{right} on {of}: {words}")).because(said).hint(hint)
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
        assert!(version("a").answered("projects/123456789012/secrets/a/versions/7") == Some("7"));
        assert!(version("projects/p/secrets/a/versions/7").answered("projects/123456789012/secrets/a/versions/7").is_some());
        assert!(version("projects/p/secrets/a/versions/8").answered("projects/123456789012/secrets/a/versions/7").is_none());
        for other in ["", "projects/1/secrets/b/versions/7", "projects/1/secrets/a", "projects/1/secrets/a/versions/latest"] {
            assert!(version("a").answered(other).is_none(), "{other}");
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
