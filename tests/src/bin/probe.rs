//! A function that does what a test asks of it, for tests of the hosts: it reports, fails, waits, leaks and panics.

use lastgood_core::{
    catalog::{Heartbeat, Key},
    config::{SecretRef, Source},
    domain::finding::Finding,
    env::Env,
    error::{Error, Kind, Result, conflict, failed},
    function::{Entry, Exit, Findings, Function, Outcome, Report},
    host,
    id::AssetName,
};
use serde::{Deserialize, Serialize};
use std::{process::ExitCode, time::Duration};

/// Does what a test asks.
#[derive(Debug, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
struct Probe {
    /// One asset; without it, all.
    #[arg(long)]
    asset: Option<AssetName>,
    /// What to do.
    #[arg(long, default_value = "report")]
    #[serde(default)]
    act: Act,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Act {
    /// Reports an entry for each asset.
    #[default]
    Report,
    /// Fails as a whole, because a name is taken.
    Conflict,
    /// Fails as a whole, because another holds the work.
    Busy,
    /// Reports an asset that failed in passing.
    FailForNow,
    /// Reports an asset that failed for good.
    FailForGood,
    /// Waits for longer than any invocation lasts, as a good function does.
    Wait,
    /// Works for longer than any invocation lasts, without a look at the time.
    Hang,
    /// Works for half a second.
    Work,
    /// Finds that another holds the work for a second more, the first time.
    Held,
    /// Tells a secret in every way there is.
    Leak,
    /// Panics over a secret.
    Panic,
}

#[derive(Debug, Serialize)]
struct Seen {
    kind: &'static str,
    said: Option<String>,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Told(Report<Seen>);

impl Findings for Told {
    fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }

    fn exit(&self) -> Exit {
        match self.0.status {
            lastgood_core::function::Status::Ok => Exit::Good,
            _ => Exit::Failed,
        }
    }
}

impl Function for Probe {
    const NAME: &'static str = "probe";
    type Report = Told;

    async fn run(self, env: &Env) -> Result<Told> {
        let started = env.clock.now();
        let mut entries = Vec::new();
        for asset in env.config.selected(self.asset.as_ref())? {
            tracing::info!(asset = %asset.name, act = ?self.act, "probing");
            let mut said = None;
            let outcome = match self.act {
                Act::Report => None,
                Act::Conflict => return Err(conflict("the name is taken").hint("choose another")),
                Act::Busy => return Err(Error::new(Kind::Busy, "another invocation holds it")),
                Act::FailForNow => Some(Outcome::from_error(&Error::new(Kind::Retry, "the store was busy"))),
                Act::FailForGood => Some(Outcome::from_error(&Error::new(Kind::Denied, "may not read").hint("grant it"))),
                Act::Wait => return env.wait(Duration::from_secs(86_400)).await.map(|()| unreachable!("no invocation lasts a day")),
                Act::Hang => {
                    tokio::time::sleep(Duration::from_secs(86_400)).await;
                    None
                }
                Act::Work => {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    None
                }
                Act::Held => {
                    let before = env.vault.load::<Heartbeat>(&Key::Heartbeat(Self::NAME.to_owned())).await?;
                    let until = lastgood_core::clock::after(env.clock.now(), Duration::from_secs(1));
                    before.is_none().then_some(Outcome::AlreadyRunning { until })
                }
                Act::Leak => {
                    let secret = self::secret(env, &asset.source).await?;
                    tracing::info!(url = %secret, debug = ?secret, "connecting to {secret}");
                    tracing::warn!(list = ?vec![secret.clone()], "a tool said: password={secret} and {}", secret.to_uppercase().to_lowercase());
                    said = Some(format!("connected to {secret}"));
                    Some(Outcome::from_error(&failed(format!("{secret} refused")).because(std::io::Error::other(secret))))
                }
                Act::Panic => panic!("no way to handle {}", self::secret(env, &asset.source).await?),
            };
            let done = Outcome::Done(Seen { kind: asset.source.kind(), said });
            entries.push(Entry { asset: asset.name.clone(), outcome: outcome.unwrap_or(done) });
        }
        Ok(Told(Report::of(Self::NAME, started, env.clock.now(), entries)))
    }
}

async fn secret(env: &Env, source: &Source) -> Result<String> {
    let url: &SecretRef = match source {
        Source::Postgres { url } | Source::Redis { url } => url,
        _ => return Err(failed("this asset has no secret")),
    };
    Ok(env.secrets.resolve(url).await?.expose().to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    host::main::<Probe>().await
}
