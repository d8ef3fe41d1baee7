//! Drives one drill: look, decide, act, save. What to do is `domain::drill::next`'s matter; here it is done.

use crate::checks;
use lastgood_core::{
    catalog::{
        evidence::{Drilled, Evidence, ReplicaSeen},
        lease::Lease,
    },
    clock::since,
    config::{Asset, DrillPolicy, DrillTarget},
    domain::{
        backup::{Expectations, Manifest},
        compare::{CheckOutcome, CheckResult, compare, verdict},
        drill::{Drill, Observed, OpenDrill, ReplicaName, Sighting, Step, Verdict, next},
        restore_test::RestoreTest,
        run::Run,
    },
    env::Env,
    error::{Error, Kind, Result, failed, not_found, retry},
    observe::backups_at,
    ports::Replicas,
};
use std::time::Duration;

/// How much of an invocation's time is kept back for putting things down.
const MARGIN: Duration = Duration::from_secs(20);
/// How long a removal may take to be seen before the drill is left open for the next invocation.
const REMOVALS: u32 = 20;
const BETWEEN_REMOVALS: Duration = Duration::from_secs(3);
/// How often a provider is asked whether it has removed a replica.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);

/// How far a drill came.
#[derive(Debug)]
pub enum Advanced {
    /// Its replica was seen to be gone.
    Finished(Box<Evidence>),
    /// This invocation's time is over; the next one goes on.
    Waiting(String),
}

/// What an act came to.
enum Acted {
    Concluded(Verdict, Vec<CheckResult>, Option<String>),
    NothingYet,
    OutOfTime,
}

/// Takes a drill as far as it goes.
pub async fn advance(env: &Env, asset: &Asset, policy: &DrillPolicy, lease: &Lease, replicas: &dyn Replicas) -> Result<Advanced> {
    let work = Work { env, asset, policy, lease, replicas };
    let mut concluded = None;
    let mut removals = 0;
    loop {
        let open = work.open().await?;
        let now = env.clock.now();
        let replica = match open.drill.replica() {
            Some(name) => work.look(name).await?,
            None => Sighting::Absent,
        };
        let Some(step) = next(&open.drill, &Observed { replica, concluded }, now, open.deadline) else {
            return Ok(Advanced::Finished(Box::new(work.evidence(&open).await?)));
        };
        let acted = match step {
            Step::Enter(state) => {
                work.enter(state, concluded.is_none() && now >= open.deadline).await?;
                concluded = None;
                Acted::NothingYet
            }
            Step::StartOver => {
                work.remove(&open).await?;
                Acted::NothingYet
            }
            Step::Restore => work.restore(&open).await?,
            Step::Check => work.check(&open).await?,
            Step::Remove => {
                removals += 1;
                work.remove(&open).await?;
                if removals > 1 {
                    if replica == Sighting::UnderWay {
                        // The provider is at it: that takes minutes, and is no reason to alarm anybody.
                        match env.wait(BETWEEN_LOOKS).await {
                            Err(error) if error.kind() == Kind::OutOfTime => {
                                return Ok(Advanced::Waiting("the replica is being removed".to_owned()));
                            }
                            waited => waited?,
                        }
                    } else if removals > REMOVALS {
                        return Err(retry("the replica does not go away").hint("look at it by hand; the next wake-up tries again"));
                    } else {
                        env.wait(BETWEEN_REMOVALS).await?;
                    }
                }
                Acted::NothingYet
            }
        };
        match acted {
            Acted::NothingYet => {}
            Acted::OutOfTime => return Ok(Advanced::Waiting("this invocation's time ended during the drill".to_owned())),
            Acted::Concluded(verdict, found, reason) => {
                let at = env.clock.now();
                let checked = !found.is_empty();
                lease
                    .change(|run| {
                        if let Some(open) = &mut run.drill {
                            open.checks = found;
                            open.reason = reason;
                            open.validated_at = checked.then_some(at);
                        }
                    })
                    .await?;
                concluded = Some(verdict);
            }
        }
    }
}

struct Work<'a> {
    env: &'a Env,
    asset: &'a Asset,
    policy: &'a DrillPolicy,
    lease: &'a Lease,
    replicas: &'a dyn Replicas,
}

impl Work<'_> {
    async fn open(&self) -> Result<OpenDrill> {
        let Run { drill, .. } = self.lease.run().await;
        drill.ok_or_else(|| failed("the run holds no drill"))
    }

    async fn look(&self, name: &ReplicaName) -> Result<Sighting> {
        Ok(self.replicas.replica(name).await?.map_or(Sighting::Absent, |replica| replica.sighting))
    }

    /// Saves a transition; where time ran out, that is the reason unless there is a better one.
    async fn enter(&self, state: Drill, late: bool) -> Result<()> {
        let timeout = self.policy.timeout;
        self.lease
            .change(|run| {
                if let Some(open) = &mut run.drill {
                    if let Drill::TearingDown { verdict, .. } = &state
                        && *verdict != Verdict::Proven
                        && open.reason.is_none()
                    {
                        let lost = "the replica vanished or stopped answering before it was checked".to_owned();
                        open.reason = Some(if late { format!("the drill did not end within its {timeout}") } else { lost });
                    }
                    open.drill = state;
                }
            })
            .await
    }

    async fn remove(&self, open: &OpenDrill) -> Result<()> {
        match open.drill.replica() {
            Some(name) => self.replicas.begin_teardown(name).await,
            None => Ok(()),
        }
    }

    async fn backup(&self, open: &OpenDrill) -> Result<Manifest> {
        if let Some(test) = &open.restore_test {
            return Ok(test.manifest(&self.asset.name, open.backup));
        }
        if let Some(moment) = &open.point_in_time {
            return Ok((**moment).clone());
        }
        let backup = if open.from.holds_snapshots() {
            backups_at(self.env, self.asset, &open.from).await?.good.into_iter().find(|backup| backup.id == open.backup)
        } else {
            self.env.vault_at(&open.from).await?.backup(&self.asset.name, open.backup).await?
        };
        backup.ok_or_else(|| not_found(format!("the manifest of backup {} is gone from {}", open.backup, open.from)))
    }

    async fn restore(&self, open: &OpenDrill) -> Result<Acted> {
        let Some(name) = open.drill.replica() else { return Ok(Acted::NothingYet) };
        let since = self.env.clock.now();
        self.lease.change(|run| run.drill.iter_mut().for_each(|open| open.restoring_since = Some(since))).await?;
        let work = async {
            let backup = match self.backup(open).await {
                Ok(backup) => backup,
                Err(error) => return Err((judged(&error, Phase::Restoring), error)),
            };
            let begun = self.replicas.begin_replica(name, &backup, open.deadline).await;
            begun.map_err(|error| (Verdict::CouldNotVerify, error))?;
            let vault = if open.from.holds_snapshots() {
                self.env.vault.clone()
            } else {
                self.env.vault_at(&open.from).await.map_err(|error| (Verdict::CouldNotVerify, error))?
            };
            self.replicas.restore(name, &backup, &vault).await.map_err(|error| (judged(&error, Phase::Restoring), error))
        };
        match self.in_time(open, work).await {
            Some(Ok(tools)) => {
                self.lease.change(|run| run.drill.iter_mut().for_each(|open| open.tools.extend(tools.clone()))).await?;
                Ok(Acted::NothingYet)
            }
            Some(Err((verdict, error))) => Ok(Acted::Concluded(verdict, Vec::new(), Some(told(&error)))),
            None => Ok(self.late(open)),
        }
    }

    async fn check(&self, open: &OpenDrill) -> Result<Acted> {
        let Some(name) = open.drill.replica() else { return Ok(Acted::NothingYet) };
        let work = async {
            let backup = self.backup(open).await?;
            let mut found = match backup.held {
                // Nobody recorded anything of it: all that there is are the policy's own questions.
                None if open.restore_test.is_some() => self.asked_for_data(),
                // What a provider wrote by itself was counted by nobody, as its snapshots were not.
                None if nothing_counted(&backup.expectations) => self.asked_for_data(),
                None => self.compared(name, &backup).await,
                Some(_) => self.set_up(name, &backup).await,
            };
            found.extend(checks::run(self.replicas, name, &self.policy.checks, &backup).await);
            Ok::<_, Error>(found)
        };
        match self.in_time(open, work).await {
            Some(Ok(found)) => {
                let verdict = verdict(&found);
                let reason = reason(&found);
                Ok(Acted::Concluded(verdict, found, reason))
            }
            Some(Err(error)) => Ok(Acted::Concluded(judged(&error, Phase::Checking), Vec::new(), Some(told(&error)))),
            None => Ok(self.late(open)),
        }
    }

    /// Compares the replica with what was recorded of the source in the very snapshot.
    async fn compared(&self, name: &ReplicaName, backup: &Manifest) -> Vec<CheckResult> {
        let expected = &backup.expectations;
        match self.replicas.measure(name, expected, backup.form()).await {
            Ok(measured) => {
                let mut found = compare(expected, &measured, backup.form());
                found.extend(checks::migrations(&self.policy.checks, expected, &measured));
                found
            }
            Err(error) => vec![unknown("expectations", &error)],
        }
    }

    /// Compares how a provider's replica is set up with how the source was. Nothing was counted in the source: that the
    /// data are there must be asked by the policy, and a drill that asks nothing proves nothing.
    async fn set_up(&self, name: &ReplicaName, backup: &Manifest) -> Vec<CheckResult> {
        let mut found = self.replicas.set_up(name, backup).await.unwrap_or_else(|error| vec![unknown("settings", &error)]);
        found.extend(self.asked_for_data());
        found
    }

    /// A policy that asks for nothing leaves open whether the data are there.
    fn asked_for_data(&self) -> Vec<CheckResult> {
        let what = "at least one check under `drill.checks` that asks for data";
        let missing = || CheckResult::could_not_verify("data", what, "the policy asks for none");
        // Of a disk nobody could be asked, and how it is set up already says so.
        let askable = !matches!(self.policy.into, DrillTarget::Disk(_));
        if self.policy.checks.is_empty() && askable { vec![missing()] } else { Vec::new() }
    }

    /// Does some work within the drill's time and this invocation's.
    async fn in_time<T>(&self, open: &OpenDrill, work: impl Future<Output = T>) -> Option<T> {
        let now = self.env.clock.now();
        let mut budget = since(open.deadline, now);
        if let Some(deadline) = self.env.deadline {
            budget = budget.min(since(deadline, now).saturating_sub(MARGIN));
        }
        tokio::time::timeout(budget, work).await.ok()
    }

    /// Whose time it was that ran out.
    fn late(&self, open: &OpenDrill) -> Acted {
        let invocation_ends = self.env.deadline.is_some_and(|deadline| deadline <= lastgood_core::clock::after(open.deadline, MARGIN));
        if invocation_ends {
            return Acted::OutOfTime;
        }
        Acted::Concluded(Verdict::CouldNotVerify, Vec::new(), Some(format!("the drill did not end within its {}", self.policy.timeout)))
    }

    async fn evidence(&self, open: &OpenDrill) -> Result<Evidence> {
        let run = self.lease.run().await;
        let Drill::Finished { verdict } = open.drill else { return Err(failed("a drill that is not finished has no evidence")) };
        let gone_at = self.env.clock.now();
        let test = open.restore_test.as_deref();
        let restore = match (open.restoring_since, open.validated_at) {
            // How long a restore of somebody else's took is said with it: ours began long after it had ended.
            (Some(began), Some(ended)) if test.is_none() => Some(since(ended, began).as_secs_f64()),
            _ => None,
        };
        // A manifest that has become unreadable does not take the verdict with it. What is no backup of ours proves none.
        let backup = if test.is_some() { None } else { self.backup(open).await.ok() };
        Ok(Evidence {
            drill: run.id,
            asset: self.asset.name.clone(),
            verdict,
            reason: if verdict == Verdict::Proven { None } else { open.reason.clone() },
            backup: backup.map(|backup| Drilled {
                id: backup.id,
                method: backup.method,
                form: backup.form(),
                from: open.from.clone(),
                data_time: backup.data_time,
                stored_bytes: backup.stored_bytes(),
            }),
            restore_test: test.cloned(),
            replica: ReplicaSeen {
                name: test.map_or_else(|| ReplicaName::derive(&self.asset.name, &run.slot), RestoreTest::replica),
                kind: kind(&self.policy.into).to_owned(),
                gone_at,
            },
            started_at: open.opened_at,
            finished_at: gone_at,
            restore_seconds: restore,
            objectives: Evidence::objectives(
                self.asset.policy.rto,
                self.asset.policy.rpo,
                restore,
                open.age_seconds.map(Duration::from_secs),
            ),
            checks: open.checks.clone(),
            tools: open.tools.clone(),
            unsigned: None,
        })
    }
}

/// Whether nothing was recorded of the very snapshot but names of roles.
fn nothing_counted(expectations: &Expectations) -> bool {
    *expectations == Expectations { roles: expectations.roles.clone(), ..Expectations::default() }
}

const fn kind(into: &DrillTarget) -> &'static str {
    match into {
        DrillTarget::Scratch => "scratch",
        DrillTarget::Server(_) => "server",
        DrillTarget::Rds(_) => "rds",
        DrillTarget::Cloudsql(_) => "cloudsql",
        DrillTarget::Ebs(_) => "ebs",
        DrillTarget::Disk(_) => "disk",
    }
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Restoring,
    Checking,
}

/// What an error says about the backup: damaged or missing bytes and a tool that refused the dump condemn it; a full disk, a
/// lost connection or a missing tool says nothing about it.
fn judged(error: &Error, phase: Phase) -> Verdict {
    match (error.kind(), phase) {
        (Kind::Corrupt | Kind::Failed, _) | (Kind::NotFound, Phase::Restoring) => Verdict::Failed,
        (Kind::NotFound, Phase::Checking)
        | (
            Kind::Invalid
            | Kind::Conflict
            | Kind::Busy
            | Kind::Retry
            | Kind::OutOfTime
            | Kind::NoSpace
            | Kind::Denied
            | Kind::Unsupported
            | Kind::Refused,
            _,
        ) => Verdict::CouldNotVerify,
    }
}

/// A comparison that an error stood in the way of.
fn unknown(name: &str, error: &Error) -> CheckResult {
    match judged(error, Phase::Checking) {
        Verdict::Failed => CheckResult::failed(name, "as recorded", told(error)),
        Verdict::Proven | Verdict::CouldNotVerify => CheckResult::could_not_verify(name, "as recorded", told(error)),
    }
}

fn told(error: &Error) -> String {
    match error.advice() {
        Some(hint) => format!("{} ({hint})", error.full()),
        None => error.full(),
    }
}

/// The first thing that is wrong, and how much else is.
fn reason(found: &[CheckResult]) -> Option<String> {
    let wrong: Vec<_> = found.iter().filter(|check| check.outcome != CheckOutcome::Passed).collect();
    let worst = wrong.iter().max_by_key(|check| check.outcome)?.outcome;
    let first = wrong.iter().find(|check| check.outcome == worst)?;
    let more = if wrong.len() > 1 { format!(", and {} more", wrong.len() - 1) } else { String::new() };
    Some(format!("{}: expected {}, found {}{more}", first.name, first.expected, first.found))
}
