//! Bringing secrets back to a project. A version that is added is the newest at once, and what reads `latest` would get it: so what is
//! there is left as it is, and what it was is a secret of another name beside it. Only what is gone comes back under its own name.

use super::{
    set::{GcpSecretSet, Seen},
    wire::{checksum, told},
};
use crate::{
    error::{Error, Result, conflict, corrupt, unsupported},
    id::BackupId,
    providers::{
        gcp::call::{Ask, Reply, escaped},
        secret_set::{Brought, Current, Keeper, Line, Listed, Payload, Store, Way, Without, beside},
    },
};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// The label that says which backup a secret was brought back from.
const MARK: &str = "lastgood-restored";
/// Google caps a name at this.
const LONGEST: usize = 255;

#[derive(Deserialize)]
struct Added {
    name: String,
}

fn mark(backup: BackupId) -> String {
    backup.to_string().to_ascii_lowercase()
}

/// Where Google is to keep it: as it did, without what it only tells.
fn replication(line: &Line) -> Value {
    line.settings.replication.clone().unwrap_or_else(|| json!({ "automatic": {} }))
}

impl GcpSecretSet {
    /// Makes a secret without a value, or adopts the one that an earlier try made.
    async fn made(&self, name: &str, line: &Line, backup: BackupId) -> Result<()> {
        let mut labels = line.labels.clone();
        labels.insert(MARK.to_owned(), mark(backup));
        let body = json!({ "replication": replication(line), "labels": labels, "annotations": line.settings.annotations });
        let ask = Ask::new(Method::POST, self.path()).query("secretId", name).json(&body);
        let Err(refused) = self.call.ask(&ask).await else { return Ok(()) };
        let of = format!("secret {name}");
        if refused.status() != 409 {
            return Err(told("secretmanager.secrets.create", &of, refused));
        }
        let there = self.call.ask(&Ask::get(format!("{}/{}", self.path(), escaped(name)))).await.and_then(|reply| reply.json::<Seen>());
        let there = there.map_err(|refused| told("secretmanager.secrets.get", &of, refused))?;
        if there.labels.get(MARK) == Some(&mark(backup)) { Ok(()) } else { Err(taken(name)) }
    }

    /// Gives a secret of ours its value, once: where no answer comes, the next try finds out whether it has it.
    async fn given(&self, name: &str, payload: &Payload) -> Result<String> {
        let data = Zeroizing::new(STANDARD.encode(payload.bytes()));
        let sum = checksum(payload.bytes());
        // Base64 needs no escaping, and so the value stands in one buffer only, which is wiped.
        let body = format!("{{\"payload\":{{\"data\":\"{}\",\"dataCrc32c\":\"{sum}\"}}}}", &*data).into_bytes();
        let body = Bytes::from_owner(Zeroizing::new(body));
        let ask = Ask::new(Method::POST, format!("{}/{}:addVersion", self.path(), escaped(name)));
        let ask = ask.header("content-type", "application/json").body(body);
        let added = self.call.read_once(&ask).await.and_then(|reply: Reply| reply.json::<Added>());
        let added = added.map_err(|refused| told("secretmanager.versions.add", &format!("secret {name}"), refused))?;
        let number = added.name.rsplit_once("/versions/").map(|(_, number)| number.to_owned());
        number
            .filter(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(|| unsupported(format!("secretmanager.versions.add on secret {name}: the answer names no version")))
    }
}

fn taken(name: &str) -> Error {
    conflict(format!("secret {name} is there and was not brought back from this backup"))
        .hint("nothing was changed: once more, and it comes back under another name")
}

#[async_trait]
impl Keeper for GcpSecretSet {
    fn way(&self, name: &str, there: Option<&Listed>, backup: BackupId) -> Way {
        match there {
            Some(there) if there.labels.get(MARK) != Some(&mark(backup)) => Way::Beside(beside(name, backup, LONGEST)),
            Some(_) | None => Way::Anew,
        }
    }

    async fn bring_back(&self, line: &Line, way: &Way, backup: BackupId) -> Result<String> {
        let name = match way {
            Way::Beside(name) => name,
            Way::Anew | Way::Version => &line.name,
        };
        let payload = line.payload.as_ref().ok_or_else(|| unsupported(format!("secret {name} has no value to be brought back")))?;
        self.made(name, line, backup).await?;
        let number = match self.current(name).await? {
            Current::Version(version) if version.payload.bytes() == payload.bytes() => return Ok(version.id),
            Current::Without(Without::NoVersion) => self.given(name, payload).await?,
            Current::Version(_) | Current::Without(_) => {
                return Err(conflict(format!("secret {name} was brought back before, and has been changed since"))
                    .hint("it is left as it is: delete it to have it brought back once more"));
            }
        };
        let again = self.version(name, &number).await.map_err(|missed| missed.told(name))?;
        if again.payload.bytes() == payload.bytes() {
            return Ok(number);
        }
        Err(corrupt(format!("version {number} of secret {name} does not read back as it was written")))
    }

    fn cut_over(&self, brought: &Brought) -> String {
        let (project, name, version) = (&self.project, &brought.name, &brought.version);
        match &brought.way {
            Way::Beside(beside) => format!(
                "gcloud secrets versions access {version} --secret={beside} --project={project} | gcloud secrets versions add {name} --data-file=- --project={project}"
            ),
            Way::Anew | Way::Version => format!("nothing: {name} is back as version {version}"),
        }
    }
}
