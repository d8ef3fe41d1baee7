//! One run of a function under any host: make its world, run it in its time, write its heartbeat, tell how it went.

use super::{Fleets, Outlet, Surroundings, World, announce::announce, beat, sign_of_life, stranger, telemetry::INVOCATION, watch};
use crate::{
    catalog::Waker,
    clock::{self, Clock, SystemClock, Timestamp},
    domain::{finding::Finding, measure::folded},
    env::Progress,
    error::{Error, Kind, Result, failed, out_of_time},
    event::{Asked, Event},
    function::{Exit, Findings, Function},
    redact,
};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// The largest part of its time that a run gives up to put everything down.
const MARGIN: Duration = Duration::from_secs(10);

/// What a host knows of one invocation.
#[derive(Debug)]
pub struct Call {
    /// The config: a path or a vault URL.
    pub config: String,
    /// The folder under which the scratch folder is made.
    pub scratch: Option<PathBuf>,
    /// Unique to this invocation.
    pub holder: String,
    /// When the platform ends it.
    pub killed_at: Option<Timestamp>,
    /// Where progress is shown.
    pub progress: Arc<dyn Progress>,
    /// What woke it.
    pub woken: Woken,
    /// The event that woke it, whose notice is looked up in the config.
    pub event: Option<Event>,
    /// The account that it runs in, if the platform says so.
    pub account: Option<String>,
    /// Where measures go.
    pub metrics: Option<Outlet>,
}

/// What woke a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// A schedule.
    BySchedule,
    /// An event that no schedule sent.
    ByEvent,
    /// An operator.
    ByHand,
}

/// How a run went.
#[derive(Debug)]
pub struct Ended {
    /// What the function reports, redacted.
    pub report: Value,
    /// How it ends.
    pub exit: Exit,
    /// What an operator must know.
    pub findings: Vec<Finding>,
}

impl Call {
    /// A call under the settings of the environment.
    pub fn new(around: &Surroundings, holder: String, woken: Woken, killed_at: Option<Timestamp>, progress: Arc<dyn Progress>) -> Self {
        Self {
            config: around.config.clone(),
            scratch: around.scratch.clone(),
            holder,
            killed_at,
            progress,
            woken,
            event: None,
            account: None,
            metrics: around.metrics,
        }
    }

    /// The same call, woken by an event, in this account.
    #[must_use]
    pub fn for_event(self, event: Event, account: Option<String>) -> Self {
        Self { event: Some(event), account, ..self }
    }
}

impl Ended {
    /// Returns the kind of the first failure in the report, if it has one; a passing fault before all others.
    pub fn failure(&self) -> Option<Kind> {
        let entries = self.report.get("entries").and_then(Value::as_array)?;
        let failed = entries.iter().filter(|entry| entry.get("outcome").and_then(Value::as_str) == Some("failed"));
        let mut kinds = failed.filter_map(|entry| serde_json::from_value::<Kind>(entry.get("kind")?.clone()).ok());
        let first = kinds.next()?;
        if kinds.any(|kind| kind == Kind::Retry) { Some(Kind::Retry) } else { Some(first) }
    }
}

impl Ended {
    /// Until when another invocation holds what this one was to do, if one does.
    pub fn held_until(&self) -> Option<Timestamp> {
        let entries = self.report.get("entries").and_then(Value::as_array)?;
        let held = entries.iter().filter(|entry| entry.get("outcome").and_then(Value::as_str) == Some("already-running"));
        held.filter_map(|entry| entry.get("until")?.as_str()?.parse().ok()).max()
    }

    /// How a platform is told that counts and repeats what fails: what was found is told by the findings, and trying again
    /// would find the same.
    pub fn of_a_job(&self) -> Exit {
        match (self.exit, self.failure()) {
            (Exit::Good | Exit::Stale | Exit::CouldNotVerify, None) => Exit::Good,
            (Exit::Failed | Exit::Usage, _) | (_, Some(_)) => Exit::Failed,
        }
    }
}

/// Runs a function once. Its time ends a little before the platform's, so that it can put its work down in order; a run
/// that does not is dropped, as a kill would, and carried on by the next.
pub async fn run<F: Function>(request: F, call: Call) -> Result<Ended> {
    let invocation = call.holder.clone();
    INVOCATION.scope(invocation, Box::pin(run_within(request, call))).await
}

async fn run_within<F: Function>(request: F, call: Call) -> Result<Ended> {
    let begun = SystemClock.now();
    let left = call.killed_at.map(|at| clock::since(at, begun));
    let margin = left.map_or(MARGIN, |left| MARGIN.min(left / 5));
    let deadline = call.killed_at.map(|at| clock::before(at, margin));
    let fleets = if F::SEES_FLEETS { Fleets::Look } else { Fleets::Leave };
    let world = World::open(&call.config, call.scratch.as_deref(), call.holder, deadline, call.progress, fleets).await?;
    let env = world.env();
    let request = match &call.event {
        None => request,
        Some(event) => {
            let known = env.config.accounts.iter().cloned().chain(call.account.clone()).collect();
            if let Err(stranger) = event.of_known_account(&known) {
                stranger::tell(env, F::NAME, &stranger).await;
                return Err(stranger);
            }
            match event.ask(&env.config)? {
                Asked::Run(request) => request,
                Asked::Nothing(why) => return Ok(Ended { report: dropped::<F>(&why), exit: Exit::Good, findings: Vec::new() }),
            }
        }
    };
    let outcome = match left {
        Some(left) => tokio::time::timeout(left.saturating_sub(margin / 4), request.run(env)).await.unwrap_or_else(|_| {
            Err(out_of_time("the platform's time for this invocation ended")
                .hint("the next wake-up carries on; give it more time or memory"))
        }),
        None => request.run(env).await,
    };
    let exit = outcome.as_ref().map_or_else(Exit::from, Findings::exit);
    let (waker, scheduled_at) = match call.woken {
        Woken::BySchedule => (Waker::Event, Some(begun)),
        Woken::ByEvent => (Waker::Event, None),
        Woken::ByHand => (Waker::Hand, None),
    };
    if let Err(error) = beat(env, F::NAME, exit, waker, scheduled_at).await {
        tracing::warn!(function = F::NAME, error = %error.full(), "the heartbeat could not be written");
    }
    let unheard = match (&outcome, call.woken) {
        (Ok(_), Woken::BySchedule) => sign_of_life(env, F::NAME, begun, call.killed_at).await,
        (Ok(_), Woken::ByEvent | Woken::ByHand) | (Err(_), _) => None,
    };
    // By a schedule only: who works by hand looks at `lastgood status`, which says the same.
    let dead = match call.woken {
        Woken::BySchedule => watch(env, F::NAME).await,
        Woken::ByEvent | Woken::ByHand => None,
    };
    let millis = u64::try_from(clock::since(SystemClock.now(), begun).as_millis()).unwrap_or(u64::MAX);
    let report = outcome?;
    tracing::info!(function = F::NAME, exit = ?exit, duration_ms = millis, "the run ended");
    if let Some(outlet) = call.metrics {
        let fleet = |asset: &_| Some(&env.config.assets.get(asset)?.member.as_ref()?.fleet);
        outlet.write(F::NAME, &folded(report.measures(), fleet), SystemClock.now());
    }
    let mut ended = tell(&report)?;
    ended.findings.extend(unheard);
    ended.findings.extend(dead);
    ended.findings.extend(announce(env, F::NAME, &report.changes(), call.killed_at).await);
    Ok(ended)
}

/// What a host answers to an event about which there is nothing to do.
pub fn dropped<F: Function>(why: &str) -> Value {
    json!({ "function": F::NAME, "dropped": redact::text(why) })
}

/// Logs what a host answers to somebody who may not keep it.
pub fn log_failure<F: Function>(error: &Error) {
    tracing::error!(function = F::NAME, kind = ?error.kind(), hint = error.advice(), "the run failed: {}", error.full());
}

fn tell<R: serde::Serialize + Findings>(report: &R) -> Result<Ended> {
    let value = serde_json::to_value(report).map_err(|error| failed("writing the report").because(error))?;
    Ok(Ended { report: redact::json(value), exit: report.exit(), findings: report.findings() })
}

/// A name for an invocation that has no other: this host, this process, this moment, and a number, because every container of
/// Cloud Run is called localhost and is process 1 there.
pub fn holder() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = redact::clip(host.trim(), 64);
    let host = if host.is_empty() { "localhost" } else { &host };
    format!("{host}/{}/{}/{:08x}", std::process::id(), SystemClock.now().as_millisecond(), chance())
}

#[expect(clippy::disallowed_methods, reason = "two invocations must never have one name")]
fn chance() -> u32 {
    rand::random()
}

/// The kind of an error as the platforms' alarms match it: `Lastgood.Conflict`.
pub fn error_type(kind: Kind) -> String {
    format!("Lastgood.{kind:?}")
}

/// The error and its advice in one line.
pub fn error_message(error: &Error) -> String {
    match error.advice() {
        Some(hint) => format!("{}; {}", error.full(), redact::text(hint)),
        None => error.full(),
    }
}
