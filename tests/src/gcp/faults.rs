//! What a test lets go wrong, and what it counts.

use super::wire::{Call, Refusal};
use crate::engine::Lost;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// What goes wrong, switched on and off by a test. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    answered: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    throttle_every: Option<usize>,
    broken_every: Option<usize>,
    throttled: usize,
    lost: BTreeMap<String, BTreeMap<usize, Lost>>,
    denied: BTreeSet<String>,
    barred: BTreeSet<String>,
    keys: BTreeSet<String>,
    endings: BTreeMap<&'static str, VecDeque<Ending>>,
    rules: Rules,
}

/// What the emulated project allows, and how slow it is.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How many looks an operation is `RUNNING`, after one that finds it `PENDING`.
    pub looks: usize,
    /// How many more calls find an instance locked after its operation is `DONE`.
    pub ghosts: usize,
    /// Whether listings know a backup only once it runs.
    pub listed_late: bool,
    /// The most entries of a page, whatever was asked for.
    pub page: usize,
    /// How far the logs lag behind the present.
    pub lag: Duration,
    /// What is said of an instance that is not there.
    pub missing: Missing,
    /// Whether the name of a deleted instance is kept for a week.
    pub names_kept: bool,
    /// A region that listings cannot reach: what is there is missing from them, and a warning says so.
    pub unreachable: Option<String>,
}

impl Default for Rules {
    fn default() -> Self {
        let (looks, ghosts, page, lag) = (2, 0, 3, Duration::from_mins(3));
        Self { looks, ghosts, listed_late: false, page, lag, missing: Missing::NotAuthorized, names_kept: false, unreachable: None }
    }
}

/// What Cloud SQL says of an instance that is not there: both were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// 403, as of one that is not ours.
    NotAuthorized,
    /// 404.
    NotFound,
}

/// How an operation ends that does not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// `DONE` with an error; what it was to make is not there, or `FAILED`.
    Error,
    /// `DONE` without one, and what it was to make is `FAILED` nevertheless.
    Failed,
    /// `DONE` without one, and the backup was `SKIPPED`.
    Skipped,
    /// It runs for ever.
    Never,
    /// `DONE` without one, and the instance stays in `MAINTENANCE`.
    Stuck,
    /// `DONE` with an error, and half of the object was written.
    Truncated,
    /// `DONE` without one, and half of the object was written.
    SilentlyTruncated,
}

/// What becomes of one call before the service itself decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// The service decides.
    Pass,
    /// It is refused.
    Refused(Refusal),
    /// Half of it is lost.
    Lost(Lost),
}

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Throttles every `k`-th call, in the three ways that Google does; 0 ends it.
    pub fn throttle_every(&self, k: usize) {
        self.state().throttle_every = (k > 0).then_some(k);
    }

    /// Answers every `k`-th call with 503; 0 ends it.
    pub fn break_every(&self, k: usize) {
        self.state().broken_every = (k > 0).then_some(k);
    }

    /// Loses half of the `n`-th call (from 1, of all that came so far and will come) of a method.
    pub fn lose(&self, api: &str, n: usize, half: Lost) {
        self.state().lost.entry(api.to_owned()).or_default().insert(n, half);
    }

    /// Takes a right away: `cloudsql.backupRuns.create`.
    pub fn deny(&self, permission: &str) {
        self.state().denied.insert(permission.to_owned());
    }

    /// Gives every right back, and every bucket to the instances.
    pub fn allow_all(&self) {
        let mut state = self.state();
        state.denied.clear();
        state.barred.clear();
    }

    /// Bars a bucket to the service accounts of the instances.
    pub fn bar(&self, bucket: &str) {
        self.state().barred.insert(bucket.to_owned());
    }

    /// Whether a bucket is barred to them.
    pub(super) fn bars(&self, bucket: &str) -> bool {
        self.state().barred.contains(bucket)
    }

    /// Makes a KMS key inaccessible.
    pub fn refuse_key(&self, key: &str) {
        self.state().keys.insert(key.to_owned());
    }

    /// Makes every key accessible again.
    pub fn accept_keys(&self) {
        self.state().keys.clear();
    }

    /// Whether a key is inaccessible.
    pub(super) fn refuses_key(&self, key: &str) -> bool {
        self.state().keys.contains(key)
    }

    /// Lets the next operation of a type end so; asked more than once, the ones after it too: `BACKUP_VOLUME`.
    pub fn ends(&self, operation: &'static str, ending: Ending) {
        self.state().endings.entry(operation).or_default().push_back(ending);
    }

    /// How the operation that begins now ends, if not well.
    pub(super) fn takes_an_ending(&self, operation: &'static str) -> Option<Ending> {
        self.state().endings.get_mut(operation)?.pop_front()
    }

    /// Changes what the project allows.
    pub fn rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.state().rules);
    }

    /// What the project allows.
    pub fn rules_now(&self) -> Rules {
        self.state().rules.clone()
    }

    /// Returns how many calls of a method came.
    pub fn calls(&self, api: &str) -> usize {
        self.state().calls.iter().filter(|call| call.api == api).count()
    }

    /// Returns the calls of a method.
    pub fn calls_of(&self, api: &str) -> Vec<Call> {
        self.state().calls.iter().filter(|call| call.api == api).cloned().collect()
    }

    /// Returns how many calls came in all.
    pub fn calls_so_far(&self) -> usize {
        self.state().calls.len()
    }

    /// Returns every right that was used, as a role would have to name it.
    pub fn permissions_used(&self) -> BTreeSet<String> {
        self.permissions_since(0)
    }

    /// Returns every right that was used since so many calls had come.
    pub fn permissions_since(&self, calls: usize) -> BTreeSet<String> {
        self.state().calls.iter().skip(calls).map(|call| call.permission.to_owned()).collect()
    }

    /// Does `work` until it ends or Google has answered `k` more calls; then drops it where it stands, as `kill -9` would, and
    /// returns none.
    pub async fn killed_after<T>(&self, k: usize, work: impl Future<Output = T>) -> Option<T> {
        let until = *self.0.answered.borrow() + k;
        let mut answered = self.0.answered.subscribe();
        tokio::select! {
            biased;
            _ = answered.wait_for(|count| *count >= until) => None,
            done = work => Some(done),
        }
    }

    /// A call has taken effect.
    pub(super) fn answered(&self) {
        self.0.answered.send_modify(|count| *count += 1);
    }

    /// Notes a call and says what becomes of it.
    pub(super) fn meet(&self, call: &Call) -> Fate {
        let mut state = self.state();
        state.calls.push(call.clone());
        let so_far = state.calls.len();
        let of_method = state.calls.iter().filter(|known| known.api == call.api).count();
        if let Some(half) = state.lost.get(call.api).and_then(|planned| planned.get(&of_method)) {
            return Fate::Lost(*half);
        }
        if state.throttle_every.is_some_and(|k| so_far.is_multiple_of(k)) {
            state.throttled += 1;
            return Fate::Refused(throttled(state.throttled));
        }
        if state.broken_every.is_some_and(|k| so_far.is_multiple_of(k)) {
            return Fate::Refused(Refusal::new(503, "backendError", "The service is currently unavailable."));
        }
        if state.denied.contains(call.permission) {
            return Fate::Refused(denied(call));
        }
        Fate::Pass
    }
}

fn throttled(time: usize) -> Refusal {
    let message = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service 'sqladmin.googleapis.com'.";
    match time % 3 {
        1 => Refusal::new(429, "rateLimitExceeded", message),
        2 => Refusal::new(403, "rateLimitExceeded", message),
        _ => Refusal::new(403, "quotaExceeded", message),
    }
}

fn denied(call: &Call) -> Refusal {
    if call.permission.starts_with("cloudsql.") {
        let what = call.names.get(1).map_or_else(|| format!("projects/{}", call.names[0]), |name| format!("instances/{name}"));
        let message = format!(
            "boss::NOT_AUTHORIZED: Not authorized to access resource. Possibly missing permission {} on resource {what}.",
            call.permission
        );
        return Refusal::new(403, "notAuthorized", message);
    }
    Refusal::new(403, "forbidden", format!("Permission '{}' denied on resource (or it may not exist).", call.permission))
}

/// What Cloud SQL says of whatever is not there.
pub(super) fn not_authorized() -> Refusal {
    Refusal::new(403, "notAuthorized", "The client is not authorized to make this request.")
}
