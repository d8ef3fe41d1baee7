//! Restore tests of AWS Backup: what its restore testing plans restore, and waits to be judged.
//!
//! Promises: a test is told of once, whoever loses a reply; one that was judged is left alone. Nothing here begins, stops or
//! removes a restore: that is AWS Backup's.

mod error;
mod region;
mod wire;

pub use region::Looks;

use super::{Aws, rds::RdsReplicas};
use crate::{
    clock::Clock,
    domain::{
        place::Place,
        restore_test::{RestoreTest, Told},
    },
    error::{Kind, Result},
    ports::{Replicas, RestoreTests},
};
use async_trait::async_trait;
use region::Region;
use std::{fmt, sync::Arc};

/// The restore tests of one asset, in its own region.
pub struct BackupTests {
    aws: Arc<Aws>,
    replicas: Arc<RdsReplicas>,
    home: Place,
    /// Every identifier that the asset's own instances and cluster bear.
    sources: Vec<String>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for BackupTests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackupTests").field("home", &self.home).field("sources", &self.sources).finish_non_exhaustive()
    }
}

impl BackupTests {
    /// The tests of what bears one of these identifiers at its home. Asks nothing yet.
    pub fn new(aws: Arc<Aws>, replicas: Arc<RdsReplicas>, home: Place, sources: Vec<String>, clock: Arc<dyn Clock>) -> Self {
        Self { aws, replicas, home, sources, clock }
    }

    fn is_of_ours(&self, source: &str) -> bool {
        wire::database(source)
            .is_some_and(|(region, id)| region == self.home.bucket() && self.sources.iter().any(|source| source.eq_ignore_ascii_case(id)))
    }
}

#[async_trait]
impl RestoreTests for BackupTests {
    async fn awaiting(&self) -> Result<Vec<RestoreTest>> {
        let jobs = self.aws.restore_tests.lately(&self.aws, &self.home, self.clock.now()).await?;
        let ours = jobs.iter().filter(|job| job.is_open() && job.source.as_deref().is_some_and(|source| self.is_of_ours(source)));
        let mut tests: Vec<_> = ours.filter_map(wire::Job::test).collect();
        tests.sort_by(|a, b| (a.began_at, &a.job).cmp(&(b.began_at, &b.job)));
        Ok(tests)
    }

    fn adopted(&self, test: &RestoreTest) -> Arc<dyn Replicas> {
        Arc::new(self.replicas.clone().adopting(&self.home, test))
    }

    async fn tell(&self, test: &RestoreTest, told: Told, message: &str) -> Result<()> {
        let region = Region::open(&self.aws, &self.home).await;
        let Some(job) = region.job(&test.job).await? else {
            tracing::warn!(job = test.job, "AWS Backup does not know the restore job any more: nobody is told");
            return Ok(());
        };
        if let Some(judged) = job.judged() {
            tracing::info!(job = test.job, judged, "the restore test is judged already and left alone");
            return Ok(());
        }
        match region.put(&test.job, told, message).await {
            Ok(()) => {}
            // Whether only the reply was lost, or somebody else was first, AWS Backup itself knows.
            Err(error) if error.kind() != Kind::Denied && region.job(&test.job).await?.is_some_and(|job| job.judged().is_some()) => {
                tracing::info!(job = test.job, "the restore test is judged: {}", error.full());
            }
            Err(error) => return Err(error),
        }
        self.aws.restore_tests.forget(&self.home).await;
        Ok(())
    }
}
