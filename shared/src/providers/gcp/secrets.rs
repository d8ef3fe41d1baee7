//! Google Secret Manager: `secret:gcp:NAME[#field]`, a `NAME` being `projects/P/secrets/S`, with `/versions/V` where not the
//! newest is meant, or `S` of the project that this runs in.
//!
//! A value is asked for once in an invocation and kept no longer than that, so that a rotation counts from the next one on.
//! The newest version counts even where it is disabled: an older one is never taken instead, for it may be the one that leaked.

mod back;
mod set;
mod wire;

pub use set::GcpSecretSet;

use super::{
    access::Google,
    call::{Call, Service},
};
use crate::{
    error::{Result, out_of_time, unsupported},
    ports::Secret,
    providers::secrets::value::Store,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::OnceCell;
use wire::{Accessed, Named, Version, access};

const STORE: Store = Store { scheme: "secret:gcp:", give: "give it a value with `gcloud secrets versions add`" };
/// A value that is not there by then is not waited for: an operator is better told.
const PATIENCE: Duration = Duration::from_secs(30);

/// The secrets of Secret Manager, each asked for once.
#[derive(Debug, Default)]
pub struct GcpSecrets {
    google: Arc<Google>,
    values: Mutex<HashMap<String, Arc<OnceCell<Secret>>>>,
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
        let call = Call::new(self.google.clone(), Service::Secrets);
        let named = Named { version: &version, of: name };
        let Accessed { bytes, .. } = access(&call, &project, named).await.map_err(|missed| missed.told(name))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| {
            unsupported(format!("secret {name} is binary")).hint("store it as text: gcloud secrets versions add NAME --data-file=…")
        })?;
        STORE.take(name, text)
    }
}
