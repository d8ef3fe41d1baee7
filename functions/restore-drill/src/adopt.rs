//! Restore tests of AWS Backup: what its plans restored of an asset is asked the policy's questions, and AWS Backup is told.
//!
//! A test is a drill whose replica is somebody else's: it is not made, and only let go. Its run is done once AWS Backup was
//! told, so that whoever comes after a kill goes on, and tells once.

use crate::{
    Drilled, Room,
    advance::{Advanced, advance},
};
use lastgood_core::{
    catalog::{
        Key,
        lease::{self, Claimed, Lease},
    },
    clock::after,
    domain::{
        compare::CheckOutcome,
        drill::{Drill, OpenDrill},
        restore_test::{RestoreTest, Told, message},
        run::Run,
    },
    error::{During, Error, Result, busy},
    function::Outcome,
    id::Slot,
    ports::RestoreTests,
};
use std::time::Duration;

/// Their runs stand beside those of drills: a test and a drill may begin in the same second.
const RUNS: &str = "restore-test";
/// Tests of one asset that began in the same second are told apart, so many at the most.
const TOGETHER: u64 = 16;

impl Room<'_> {
    /// Tests everything that waits for it. Each that something was done about has an outcome of its own.
    pub(crate) async fn restore_tests(&self) -> Vec<Outcome<Drilled>> {
        let request = self.request;
        // Who asks for a certain drill by hand gets that one.
        if !self.policy.restore_tests || request.now || request.backup.is_some() || request.from.is_some() {
            return Vec::new();
        }
        let asked = async {
            let tests = self.env.providers.restore_tests(self.asset, &self.policy.into).await?;
            let awaiting = tests.awaiting().await?;
            Ok::<_, Error>((tests, awaiting))
        };
        let (tests, awaiting) = match asked.await.during("looking for restore tests of AWS Backup") {
            Ok(found) => found,
            Err(error) => return vec![Outcome::from_error(&error)],
        };
        let mut outcomes = Vec::new();
        for test in &awaiting {
            match self.test(&*tests, test).await.during(format!("restore test {}", test.job)) {
                Ok(outcome) => outcomes.extend(outcome),
                Err(error) => outcomes.push(Outcome::from_error(&error)),
            }
        }
        outcomes
    }

    /// Tests one; none where it was told of already.
    async fn test(&self, tests: &dyn RestoreTests, test: &RestoreTest) -> Result<Option<Outcome<Drilled>>> {
        let slot = self.slot_of(test).await?;
        // Evidence alone does not end it: AWS Backup must be told as well.
        let lease = match lease::claim(self.env, RUNS, &self.asset.name, slot, None).await? {
            Claimed::Lease(lease) => lease,
            Claimed::Held { until } => return Ok(Some(Outcome::AlreadyRunning { until })),
            Claimed::Done(_) => return Ok(None),
        };
        let run = lease.run().await;
        match &run.drill {
            Some(open) if !is_of(open, test) => {
                lease.put_down("another restore test has this second").await?;
                return Err(busy("another restore test of the same second was begun just now").hint("the next wake-up looks again"));
            }
            Some(_) => {}
            None => {
                tracing::info!(asset = %self.asset.name, job = test.job, recovery_point = test.recovery_point, "testing a restore of AWS Backup's");
                lease.change(|run| run.drill = Some(self.adopting(run, test))).await?;
            }
        }
        let replicas = tests.adopted(test);
        match advance(self.env, self.asset, self.policy, &lease, &*replicas).await {
            Ok(Advanced::Finished(evidence)) => {
                let (passed, checks) = (evidence.count(CheckOutcome::Passed), evidence.checks.len());
                let said = message(evidence.verdict, evidence.reason.as_deref(), passed, checks);
                lease.confirm().await?;
                let (evidence, link) = crate::attest::attest(self.env, self.asset, *evidence).await;
                evidence.keep(&self.env.vault, link.as_ref()).await?;
                if let Err(error) = tests.tell(test, Told::of(evidence.verdict), &said).await {
                    return self.not_told(lease, error).await;
                }
                lease.done().await?;
                tracing::info!(asset = %self.asset.name, job = test.job, verdict = %evidence.verdict, "AWS Backup knows the verdict");
                Ok(Some(Outcome::Done(Drilled { head: link.map(|link| link.sha256), ..Drilled::of(&evidence, 0) })))
            }
            Ok(Advanced::Waiting(reason)) => self.put_down(lease, reason).await.map(Some),
            Err(error) => self.keep_open(lease, error).await.map(Some),
        }
    }

    /// The evidence stands; the next wake-up tells.
    async fn not_told(&self, lease: Lease, error: Error) -> Result<Option<Outcome<Drilled>>> {
        let error = error.during("the verdict is kept, and AWS Backup does not know it yet");
        lease.put_down(&error.full()).await?;
        Err(error)
    }

    /// The slot of a test: when its restore began, or the first free second after it.
    async fn slot_of(&self, test: &RestoreTest) -> Result<Slot> {
        for second in 0..TOGETHER {
            let slot = Slot::at(after(test.began_at, Duration::from_secs(second)));
            let key = Key::Run(self.asset.name.clone(), RUNS.to_owned(), slot);
            let other =
                self.env.vault.load::<Run>(&key).await?.and_then(|stored| stored.record.drill).is_some_and(|open| !is_of(&open, test));
            if !other {
                return Ok(slot);
            }
        }
        Err(busy(format!("{TOGETHER} restore tests of {} began in the same seconds", self.asset.name)).hint("spread the plan's selections"))
    }

    fn adopting(&self, run: &Run, test: &RestoreTest) -> OpenDrill {
        let now = self.env.clock.now();
        OpenDrill {
            drill: Drill::Restoring { replica: test.replica() },
            backup: run.id,
            point_in_time: None,
            restore_test: Some(Box::new(test.clone())),
            from: self.asset.source.home().unwrap_or(&self.env.config.vault).clone(),
            age_seconds: None,
            opened_at: now,
            deadline: after(now, self.policy.timeout.duration()),
            restoring_since: None,
            validated_at: None,
            checks: Vec::new(),
            reason: None,
            tools: std::collections::BTreeMap::new(),
        }
    }
}

fn is_of(open: &OpenDrill, test: &RestoreTest) -> bool {
    open.restore_test.as_ref().is_some_and(|known| known.job == test.job)
}
