//! The functions by hand: the same value that a schedule makes, run in this process, told as a table.

mod tell;

use crate::{
    command::{Drill, Wake},
    output::{Form, remark, say, say_json},
    status,
};
use cross_region_copy::CrossRegionCopy;
use export_to_bucket::ExportToBucket;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    backup::When,
    catalog::Waker,
    env::Env,
    error::{During, Error, Result, failed, invalid},
    event::{self, Asked, Event},
    function::{Exit, Findings, Function, Outcome},
    host::{beat, sign_of_life},
    id::AssetName,
};
use restore_drill::{DrillReport, Drilled, RestoreDrill};
use serde::de::DeserializeOwned;
use serde_json::Value;
use snapshot_trigger::SnapshotTrigger;
use std::{io::Read, path::Path};

/// Exports one asset now, or whatever is due.
pub async fn export(env: &Env, wake: &Wake, form: Form) -> Result<Exit> {
    let asked = ExportToBucket { asset: wake.asset.clone(), when: when(wake), analytics: false };
    run(env, request(env, wake, asked)?, wake, form, tell::backups).await
}

/// Takes a snapshot of one asset now, or of whatever is due.
pub async fn snapshot(env: &Env, wake: &Wake, form: Form) -> Result<Exit> {
    let asked = SnapshotTrigger { asset: wake.asset.clone(), when: when(wake) };
    run(env, request(env, wake, asked)?, wake, form, tell::snapshots).await
}

/// Copies what is missing at any place.
pub async fn copy(env: &Env, wake: &Wake, form: Form) -> Result<Exit> {
    let asked = CrossRegionCopy { asset: wake.asset.clone() };
    run(env, request(env, wake, asked)?, wake, form, tell::copies).await
}

/// Checks everything, writes the status and tells the channels.
pub async fn check(env: &Env, wake: &Wake, form: Form) -> Result<Exit> {
    let asked = FreshnessChecker { asset: wake.asset.clone() };
    run(env, request(env, wake, asked)?, wake, form, status::people).await
}

/// Drills one asset now, or whatever is due.
pub async fn drill(env: &Env, ask: &Drill, form: Form) -> Result<Exit> {
    let now = ask.wake.asset.is_some();
    let asked = RestoreDrill { asset: ask.wake.asset.clone(), backup: ask.backup, from: ask.from.clone(), now };
    run(env, request(env, &ask.wake, asked)?, &ask.wake, form, |report| tell::drills(env, report)).await
}

/// Drills the newest backup of one asset now and returns what came of it.
pub async fn drill_now(env: &Env, asset: &AssetName) -> Result<Drilled> {
    let asked = RestoreDrill { asset: Some(asset.clone()), now: true, ..RestoreDrill::default() };
    let report = done(env, asked, Waker::Hand, None).await?;
    one(&report).cloned()
}

fn one(report: &DrillReport) -> Result<&Drilled> {
    match report.entries.first().map(|entry| &entry.outcome) {
        Some(Outcome::Done(drilled)) => Ok(drilled),
        Some(Outcome::Failed { reason, hint, .. }) => {
            let error = failed(reason.clone());
            Err(match hint {
                Some(hint) => error.hint(hint.clone()),
                None => error,
            })
        }
        Some(Outcome::NotDue { .. }) => Err(failed("the drill was asked for and is not due")),
        Some(Outcome::AlreadyRunning { until }) => {
            Err(lastgood_core::error::busy(format!("another invocation drills it, until {until} at least")))
        }
        Some(Outcome::Waiting { reason }) => Err(lastgood_core::error::out_of_time(reason.clone())),
        None => Err(failed("the drill reported nothing")),
    }
}

/// Whoever names an asset means now; whoever names none, or plays a trigger, means whatever is due.
fn when(wake: &Wake) -> When {
    if wake.asset.is_some() && !wake.scheduled { When::Now } else { When::Due }
}

/// The request: of a recorded trigger where one is given, else what was typed. None of a trigger about which there is
/// nothing to do.
fn request<F: DeserializeOwned>(env: &Env, wake: &Wake, asked: F) -> Result<Option<F>> {
    let Some(path) = &wake.event else { return Ok(Some(asked)) };
    let event = Event::parse(&read(path)?)?;
    event.of_known_account(&env.config.accounts.iter().cloned().collect())?;
    match event.ask(&env.config)? {
        Asked::Run(asked) => Ok(Some(asked)),
        Asked::Nothing(why) => {
            remark(&format!("nothing is done: {why}"));
            Ok(None)
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let doing = format!("reading the event {}", path.display());
    let file = std::fs::File::open(path).during(&doing)?;
    if !file.metadata().is_ok_and(|seen| seen.is_file()) {
        return Err(invalid(format!("{doing}: it is not a file")));
    }
    let mut bytes = Vec::new();
    file.take(event::LIMIT as u64 + 1).read_to_end(&mut bytes).during(&doing)?;
    Ok(bytes)
}

async fn run<F: Function>(env: &Env, request: Option<F>, wake: &Wake, form: Form, people: impl Fn(&F::Report) -> String) -> Result<Exit> {
    let Some(request) = request else { return Ok(Exit::Good) };
    let waker = if wake.scheduled || wake.event.is_some() { Waker::Event } else { Waker::Hand };
    let scheduled_at = wake.scheduled.then(|| env.clock.now());
    let report = done(env, request, waker, scheduled_at).await?;
    match form {
        Form::Programs => say_json(&redacted(&report)?)?,
        Form::People => say(&people(&report))?,
    }
    Ok(report.exit())
}

/// Runs a function and writes its sign of life, whatever comes of it.
pub async fn done<F: Function>(
    env: &Env,
    request: F,
    waker: Waker,
    scheduled_at: Option<lastgood_core::clock::Timestamp>,
) -> Result<F::Report> {
    let began = env.clock.now();
    let outcome = request.run(env).await;
    let exit = outcome.as_ref().map_or_else(Exit::from, Findings::exit);
    if let Err(error) = beat(env, F::NAME, exit, waker, scheduled_at).await {
        remark(&format!("warning: the heartbeat could not be written: {}", Error::full(&error)));
    }
    if outcome.is_ok()
        && scheduled_at.is_some()
        && let Some(unheard) = sign_of_life(env, F::NAME, began, None).await
    {
        remark(&format!("warning: {unheard}"));
    }
    outcome
}

fn redacted<R: serde::Serialize>(report: &R) -> Result<Value> {
    let value = serde_json::to_value(report).map_err(|error| failed("writing the report").because(error))?;
    Ok(lastgood_core::redact::json(value))
}
