//! All secrets of a project as a set that is exported.
//!
//! The newest version counts, as it does for whoever reads `latest`. Its value comes with its number in one answer, so no rotation
//! comes between them; only of a secret that gives none is asked why.

use super::wire::{ACCESS, Accessed, LIST, Missed, Named, Version as Asked, access, told};
use crate::{
    clock::Timestamp,
    error::{Result, retry, unsupported},
    providers::{
        gcp::{
            access::Google,
            call::{Ask, Call, Service, escaped},
            refused::Refused,
        },
        secret_set::{Current, Listed, Payload, Settings, Store, Version, Without},
    },
};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Pages of one listing, at 250 each.
const MOST_PAGES: usize = 1_000;
/// How often a version that is said to be enabled and cannot be read is asked for: it may have been rotated in between.
const TRIES: usize = 3;

/// The secrets of one project.
#[derive(Debug, Clone)]
pub struct GcpSecretSet {
    pub(super) project: String,
    pub(super) call: Call,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    secrets: Vec<Seen>,
    next_page_token: Option<String>,
}

/// A secret as Google describes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seen {
    name: String,
    create_time: Option<Timestamp>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    replication: Option<Value>,
}

#[derive(Deserialize)]
struct Stated {
    #[serde(default)]
    state: String,
}

impl GcpSecretSet {
    /// The secrets of a project. Asks nothing yet.
    pub fn new(google: Arc<Google>, project: &str) -> Self {
        Self { project: project.to_owned(), call: Call::new(google, Service::Secrets) }
    }

    /// The path of the project's secrets.
    pub(super) fn path(&self) -> String {
        format!("/v1/projects/{}/secrets", escaped(&self.project))
    }

    fn whole(&self) -> String {
        format!("the secrets of project {}", self.project)
    }

    async fn page(&self, token: Option<&String>) -> Result<Page> {
        let mut ask = Ask::get(self.path()).query("pageSize", "250");
        if let Some(token) = token {
            ask = ask.query("pageToken", token.clone());
        }
        let page = self.call.ask(&ask).await.and_then(|reply| reply.json::<Page>());
        page.map_err(|refused| told(LIST, &self.whole(), refused))
    }

    /// One version, by its number or as the newest.
    pub(super) async fn version(&self, name: &str, number: &str) -> Result<Version, Missed> {
        let asked = Asked { project: Some(&self.project), secret: name, number };
        let Accessed { number, bytes } = access(&self.call, &escaped(&self.project), Named { version: &asked, of: name }).await?;
        Ok(Version { id: number, made: None, payload: Payload::of(bytes) })
    }

    /// Why the newest version gives no value; none where it is said to give one.
    async fn why_not(&self, name: &str) -> Result<Option<Without>> {
        let asked = self.call.ask(&Ask::get(format!("{}/{}/versions/latest", self.path(), escaped(name)))).await;
        match asked.and_then(|reply| reply.json::<Stated>()) {
            Ok(version) => Ok(match version.state.as_str() {
                "DISABLED" => Some(Without::Disabled),
                "DESTROYED" => Some(Without::Destroyed),
                _ => None,
            }),
            Err(refused) if refused.status() == 404 => Ok(Some(Without::NoVersion)),
            Err(refused) => Err(told("secretmanager.versions.get", &format!("secret {name}"), refused)),
        }
    }
}

impl Seen {
    /// The name by itself, where it is one that may stand in an address.
    fn listed(self) -> Option<Listed> {
        let name = self.name.rsplit_once("/secrets/").map(|(_, name)| name.to_owned())?;
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let fits = (1..=255).contains(&name.len()) && name.chars().all(word);
        let settings = Settings { replication: self.replication, annotations: self.annotations, ..Settings::default() };
        fits.then_some(Listed { name, created: self.create_time, labels: self.labels, settings, without: None, version: None })
    }
}

#[async_trait]
impl Store for GcpSecretSet {
    fn service(&self) -> &'static str {
        "Google Secret Manager"
    }

    fn place(&self) -> String {
        format!("projects/{}", self.project)
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        let (mut all, mut token) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let page = self.page(token.as_ref()).await?;
            for seen in page.secrets {
                let listed = seen.listed();
                all.push(listed.ok_or_else(|| unsupported(format!("{LIST} on {}: a name is none of a secret", self.whole())))?);
            }
            match page.next_page_token.filter(|next| !next.is_empty()) {
                None => return Ok(all),
                next if next == token => break,
                next => token = next,
            }
        }
        Err(retry(format!("the listing of {} does not end", self.whole())).hint("the next wake-up tries again"))
    }

    async fn current(&self, name: &str) -> Result<Current> {
        let mut tries = 0;
        loop {
            let refused = match self.version(name, "latest").await {
                Ok(version) => return Ok(Current::Version(version)),
                Err(Missed::Refused(refused)) if gives_none(&refused) => refused,
                Err(missed) => return Err(missed.told(name)),
            };
            if let Some(why) = self.why_not(name).await? {
                return Ok(Current::Without(why));
            }
            tries += 1;
            if tries == TRIES {
                return Err(told(ACCESS, &format!("secret {name}"), refused));
            }
        }
    }
}

/// Whether a refusal may only say that there is no value that counts.
fn gives_none(refused: &Refused) -> bool {
    match refused {
        Refused::Answered { status: 404, .. } => true,
        Refused::Answered { status: 400, reason, .. } => reason == "FAILED_PRECONDITION",
        Refused::Answered { .. } | Refused::Silent(_) | Refused::Strange(_) | Refused::Nobody(_) => false,
    }
}
