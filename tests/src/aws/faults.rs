//! What a test lets go wrong, and what it counts.

use super::wire::{Call, Refusal};
use crate::engine::Lost;
use std::{
    collections::{BTreeMap, BTreeSet},
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
    lost: BTreeMap<String, BTreeMap<usize, Lost>>,
    denied: BTreeSet<String>,
    keys: BTreeSet<String>,
    late: Option<usize>,
    refused_events: usize,
    sets: Option<SetFault>,
    damaged: bool,
    rules: Rules,
}

/// What the emulated account allows, and how slow it is.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How many looks a snapshot, a copy, an instance takes to become what it will be.
    pub looks: usize,
    /// The most copies that may be under way in a region.
    pub copies_at_once: usize,
    /// The most manual snapshots that a region may have.
    pub manual_snapshots: usize,
    /// The most entries of a page, whatever was asked for.
    pub page: usize,
    /// How far continuous backups lag behind the present.
    pub lag: Duration,
    /// The most snapshots that ElastiCache takes in a day.
    pub snapshots_a_day: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self { looks: 2, copies_at_once: 5, manual_snapshots: 100, page: 100, lag: Duration::from_mins(3), snapshots_a_day: 20 }
    }
}

/// What goes wrong with the next set of snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetFault {
    /// One of them never comes to be.
    Short,
    /// They are not of one moment.
    Apart,
}

/// What becomes of one call before the service itself decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
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

    /// Throttles every `k`-th call to RDS, EC2, EBS and ElastiCache; 0 ends it.
    pub fn throttle_every(&self, k: usize) {
        self.state().throttle_every = (k > 0).then_some(k);
    }

    /// Answers every `k`-th call to these with 503; 0 ends it.
    pub fn break_every(&self, k: usize) {
        self.state().broken_every = (k > 0).then_some(k);
    }

    /// Loses half of the `n`-th call (from 1, of all that came so far and will come) of an action.
    pub fn lose(&self, action: &str, n: usize, half: Lost) {
        self.state().lost.entry(action.to_owned()).or_default().insert(n, half);
    }

    /// Takes a permission away: `rds:CopyDBSnapshot`.
    pub fn deny(&self, permission: &str) {
        self.state().denied.insert(permission.to_owned());
    }

    /// Gives every permission back.
    pub fn allow_all(&self) {
        self.state().denied.clear();
    }

    /// Whether a permission was taken away.
    pub fn denies(&self, permission: &str) -> bool {
        self.state().denied.contains(permission)
    }

    /// Makes a KMS key inaccessible: its id, its alias or its ARN, whichever calls name.
    pub fn refuse_key(&self, key: &str) {
        self.state().keys.insert(key.to_owned());
    }

    /// Makes every key accessible again.
    pub fn accept_keys(&self) {
        self.state().keys.clear();
    }

    /// Whether a key is inaccessible.
    pub fn refuses_key(&self, key: &str) -> bool {
        self.state().keys.iter().any(|refused| key == refused || key.ends_with(&format!("/{refused}")))
    }

    /// Lets the next `n` snapshots and copies fail late: they begin, and are `failed` in the end.
    pub fn fail_late(&self, n: usize) {
        self.state().late = Some(n);
    }

    /// Whether what begins now is to fail late.
    pub fn takes_a_late_failure(&self) -> bool {
        let mut state = self.state();
        match state.late {
            Some(n) if n > 0 => {
                state.late = Some(n - 1);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Answers the next `n` requests that put events with 200, having taken none of the events.
    pub fn refuse_events(&self, n: usize) {
        self.state().refused_events = n;
    }

    /// Whether the events that come now are refused.
    pub fn takes_refused_events(&self) -> bool {
        let mut state = self.state();
        let refused = state.refused_events > 0;
        state.refused_events = state.refused_events.saturating_sub(1);
        refused
    }

    /// Breaks the next set of snapshots so.
    pub fn break_set(&self, fault: SetFault) {
        self.state().sets = Some(fault);
    }

    /// What goes wrong with the set that begins now.
    pub fn set_fault(&self) -> Option<SetFault> {
        self.state().sets.take()
    }

    /// Damages blocks on their way, or no longer.
    pub fn damage_blocks(&self, damaged: bool) {
        self.state().damaged = damaged;
    }

    /// Whether blocks are damaged on their way.
    pub fn damages_blocks(&self) -> bool {
        self.state().damaged
    }

    /// Changes what the account allows.
    pub fn rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.state().rules);
    }

    /// What the account allows.
    pub fn rules_now(&self) -> Rules {
        self.state().rules
    }

    /// Returns how many calls of an action came.
    pub fn calls(&self, action: &str) -> usize {
        self.state().calls.iter().filter(|call| call.action == action).count()
    }

    /// Returns every permission that was used, as a policy would have to name it.
    pub fn permissions_used(&self) -> BTreeSet<String> {
        self.state().calls.iter().map(Call::permission).collect()
    }

    /// Returns how many calls came in all.
    pub fn calls_so_far(&self) -> usize {
        self.state().calls.len()
    }

    /// Returns every permission that was used since so many calls had come.
    pub fn permissions_since(&self, calls: usize) -> BTreeSet<String> {
        let state = self.state();
        let since = state.calls.iter().skip(calls);
        since.flat_map(Call::permissions).collect()
    }

    /// The same, of those that this key signed.
    pub fn permissions_used_by(&self, key_id: &str) -> BTreeSet<String> {
        self.state().calls.iter().filter(|call| call.key_id == key_id).map(Call::permission).collect()
    }

    /// Returns the calls of an action, with their parameters.
    pub fn calls_of(&self, action: &str) -> Vec<Call> {
        self.state().calls.iter().filter(|call| call.action == action).cloned().collect()
    }

    /// Does `work` until it ends or RDS has answered `k` more calls; then drops it where it stands, as `kill -9` would, and
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

    /// A call of RDS has taken effect.
    pub(super) fn answered(&self) {
        self.0.answered.send_modify(|count| *count += 1);
    }

    /// Notes a call and says what becomes of it.
    pub(super) fn meet(&self, call: &Call) -> Fate {
        let mut state = self.state();
        state.calls.push(call.clone());
        let ours = |call: &Call| matches!(call.service.as_str(), "rds" | "ec2" | "ebs" | "elasticache" | "backup");
        let of_rds = state.calls.iter().filter(|call| ours(call)).count();
        let of_action = state.calls.iter().filter(|known| known.action == call.action).count();
        if let Some(half) = state.lost.get(&call.action).and_then(|planned| planned.get(&of_action)) {
            return Fate::Lost(*half);
        }
        if ours(call) {
            if state.throttle_every.is_some_and(|k| of_rds.is_multiple_of(k)) {
                return Fate::Refused(Refusal::new("Throttling", "Rate exceeded"));
            }
            if state.broken_every.is_some_and(|k| of_rds.is_multiple_of(k)) {
                return Fate::Refused(Refusal::new("ServiceUnavailable", "try again").with_status(503));
            }
        }
        match call.permissions().into_iter().find(|needed| state.denied.contains(needed)) {
            Some(missing) => Fate::Refused(denied(call, &missing)),
            None => Fate::Pass,
        }
    }
}

fn denied(call: &Call, missing: &str) -> Refusal {
    let code = match call.service.as_str() {
        "kms" | "secretsmanager" | "events" | "ebs" | "backup" => "AccessDeniedException",
        "ec2" => "UnauthorizedOperation",
        _ => "AccessDenied",
    };
    let who = "arn:aws:sts::123456789012:assumed-role/lastgood/invocation";
    let message = format!("User: {who} is not authorized to perform: {missing} because no identity-based policy allows the action");
    let status = if code != "AccessDeniedException" { 403 } else { 400 };
    Refusal::new(code, message).with_status(status)
}
