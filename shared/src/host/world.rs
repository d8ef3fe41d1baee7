//! Makes the world of one invocation from its config: vault, secrets, adapters, notifiers, scratch folder.
//!
//! Nothing is contacted before it is needed, except the place that the config itself is read from.

use super::Scratch;
use crate::{
    catalog::Vault,
    clock::{Clock, SystemClock, Timestamp},
    config::Config,
    domain::place::Place,
    env::{Env, Progress},
    error::{During, Error, Result, invalid, not_found},
    fleet,
    ports::{Providers, Secrets},
    providers,
};
use std::{path::Path, sync::Arc};

/// The most bytes that a config may have.
const CONFIG_LIMIT: u64 = 4 << 20;

/// The real world of one invocation. Dropping it removes its scratch folder.
#[derive(Debug)]
pub struct World {
    env: Env,
    _scratch: Scratch,
}

/// Whether an invocation needs to know who the members of its fleets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fleets {
    /// It looks.
    Look,
    /// It has nothing to do with them.
    Leave,
}

impl World {
    /// Opens the world that a config (a path or a vault URL) describes. `holder` is unique to the invocation.
    pub async fn open(
        config: &str,
        scratch: Option<&Path>,
        holder: String,
        deadline: Option<Timestamp>,
        progress: Arc<dyn Progress>,
        fleets: Fleets,
    ) -> Result<Self> {
        let scratch = Scratch::new(scratch)?;
        let config = Arc::new(Config::parse(&read_config(config).await?, config)?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let secrets: Arc<dyn Secrets> = Arc::new(providers::SecretSources::default());
        let real = providers::Real::new(secrets.clone(), clock.clone(), progress.clone(), scratch.path().to_owned(), config.clone());
        let bucket = real.bucket(&config.vault).await.during("opening the vault")?;
        let vault = Vault::of(&config, bucket, &clock);
        let (config, real) = match fleets {
            Fleets::Look if !config.fleets.is_empty() => {
                let config = Arc::new(fleet::expanded(&config, &vault, &real).await);
                (config.clone(), real.knowing(config))
            }
            Fleets::Look | Fleets::Leave => (config, real),
        };
        let providers: Arc<dyn Providers> = Arc::new(real);
        let env = Env {
            notifiers: providers::notify::notifiers(&config, &secrets, &clock),
            monitors: providers::monitor::monitors(&config, &secrets, &clock),
            scratch: scratch.path().to_owned(),
            config,
            vault,
            clock,
            secrets,
            providers,
            progress,
            holder,
            deadline,
        };
        Ok(Self { env, _scratch: scratch })
    }

    /// What a function gets.
    pub fn env(&self) -> &Env {
        &self.env
    }
}

/// Returns the text of a config: of a path, or of an object in a bucket.
pub async fn read_config(config: &str) -> Result<String> {
    let bytes = match config.strip_prefix("file://") {
        Some(path) => file(path).await?,
        None if config.contains("://") => object(config).await?,
        None => file(config).await?,
    };
    String::from_utf8(bytes).map_err(|_| invalid(format!("{config} is not UTF-8 text")))
}

async fn file(path: &str) -> Result<Vec<u8>> {
    use tokio::io::AsyncReadExt;
    let doing = || format!("reading the config {path}");
    let file = tokio::fs::File::open(path).await.map_err(|error| {
        Error::from(error).during(doing()).hint("name the config with --config or LASTGOOD_CONFIG: a path or a vault URL")
    })?;
    let mut bytes = Vec::new();
    file.take(CONFIG_LIMIT + 1).read_to_end(&mut bytes).await.during(doing())?;
    if bytes.len() as u64 > CONFIG_LIMIT {
        return Err(invalid(format!("{path} is too large for a config")));
    }
    Ok(bytes)
}

async fn object(url: &str) -> Result<Vec<u8>> {
    let (folder, key) = url.rsplit_once('/').filter(|(folder, key)| !key.is_empty() && !folder.ends_with('/')).ok_or_else(|| {
        invalid(format!("{:?} names no config", crate::redact::clip(&crate::redact::text(url), 120)))
            .hint("write the whole URL, such as s3://acme-backups/lastgood.yaml")
    })?;
    let place: Place = folder.parse()?;
    let bucket = providers::open_bucket(&place)?;
    let read = bucket.get(key, CONFIG_LIMIT).await.during(format_args!("reading the config {url}"))?;
    let (bytes, _) = read.ok_or_else(|| not_found(format!("there is no config at {url}")))?;
    Ok(bytes.into())
}
