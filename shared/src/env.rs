//! Everything a function may touch, in one value that the host makes and a test can make too.

use crate::{
    catalog::{Vault, evidence::EvidenceKey},
    clock::{Clock, Timestamp},
    config::Config,
    domain::{backup::Compression, place::Place},
    error::{During, Result, out_of_time},
    ports::{Monitor, Notifier, Providers, Secrets},
    stream::{Encoding, Keys, Recipients},
};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// The world as a function sees it.
#[derive(Debug, Clone)]
pub struct Env {
    /// What is protected and how.
    pub config: Arc<Config>,
    /// The main vault.
    pub vault: Vault,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Secrets, by reference.
    pub secrets: Arc<dyn Secrets>,
    /// Adapters, by configuration.
    pub providers: Arc<dyn Providers>,
    /// Who is told.
    pub notifiers: Vec<Arc<dyn Notifier>>,
    /// Who plots.
    pub monitors: Vec<Arc<dyn Monitor>>,
    /// Where progress is shown.
    pub progress: Arc<dyn Progress>,
    /// Unique to this invocation: who holds the leases it takes.
    pub holder: String,
    /// When this invocation must have put everything down; none in a terminal.
    pub deadline: Option<Timestamp>,
    /// A private folder for spools and sockets, wiped at start.
    pub scratch: PathBuf,
}

impl Env {
    /// Opens another vault.
    pub async fn vault_at(&self, place: &Place) -> Result<Vault> {
        if place == self.vault.place() {
            return Ok(self.vault.clone());
        }
        Ok(Vault::new(self.providers.bucket(place).await?))
    }

    /// Returns how new backups are stored: compressed so, and encrypted to the config's recipients as they are fit now.
    pub fn encoding(&self, compression: Compression, level: Option<i32>) -> Result<Encoding> {
        let recipients = Recipients::load(&self.config.openpgp, self.clock.now())?;
        Ok(Encoding { compression, level, recipients: Arc::new(recipients), at_once: 1 })
    }

    /// Returns the keys that open encrypted backups; none where the config names none.
    pub async fn keys(&self) -> Result<Keys> {
        keys(&self.config, &*self.secrets).await
    }

    /// Returns the key that signs the evidence of drills; none where the config names none.
    pub async fn evidence_key(&self) -> Result<Option<EvidenceKey>> {
        let Some(reference) = &self.config.evidence.sign else { return Ok(None) };
        EvidenceKey::load(&self.secrets.resolve(reference).await?).during("reading evidence.sign").map(Some)
    }

    /// Waits if this invocation has the time, else fails with `OutOfTime`: the state is saved, the next wake-up goes on.
    pub async fn wait(&self, duration: Duration) -> Result<()> {
        let until = crate::clock::after(self.clock.now(), duration);
        if self.deadline.is_some_and(|deadline| until >= deadline) {
            return Err(out_of_time("this invocation's time ended while waiting").hint("the next scheduled wake-up carries on"));
        }
        self.clock.sleep(duration).await;
        Ok(())
    }
}

/// Returns the keys that open encrypted backups; none where the config names none.
pub async fn keys(config: &Config, secrets: &dyn Secrets) -> Result<Keys> {
    let Some(reference) = &config.decrypt_with else { return Ok(Keys::default()) };
    let key = secrets.resolve(reference).await?;
    let passphrase = match &config.passphrase {
        Some(reference) => Some(secrets.resolve(reference).await?),
        None => None,
    };
    Keys::load(&key, passphrase.as_ref()).during("reading encryption.decrypt_with")
}

/// Shows long work to whoever watches: bars on a terminal, plain lines elsewhere, nothing in a function.
pub trait Progress: std::fmt::Debug + Send + Sync {
    /// Begins to show one piece of work, of `total` bytes if known.
    fn begin(&self, what: &str, total: Option<u64>) -> Box<dyn Gauge>;
}

/// One piece of work being shown. Dropping it ends the showing.
pub trait Gauge: Send + Sync {
    /// Adds bytes that were moved.
    fn add(&self, bytes: u64);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: &str, _: Option<u64>) -> Box<dyn Gauge> {
        Box::new(Self)
    }
}

impl Gauge for Quiet {
    fn add(&self, _: u64) {}
}
