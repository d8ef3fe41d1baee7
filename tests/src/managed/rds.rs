//! RDS, in the words of the stories.

use super::{Late, Managed};
use crate::{
    aws::estate::{Estate, FAR, HOME},
    engine::Lost,
    pg::Cluster,
};
use cross_region_copy::CrossRegionCopy;
use lastgood_core::{
    domain::{drill::ReplicaName, held::Label},
    env::Env,
    function::Function,
    testing::ManualClock,
};

impl Estate {
    fn rds(&self) -> aws_sdk_rds::Client {
        aws_sdk_rds::Client::new(&self.aws.sdk(HOME))
    }

    /// Looks until nothing goes on any more.
    async fn settles(&self) {
        for _ in 0..6 {
            self.rds().describe_db_snapshots().send().await.expect("snapshots");
            self.rds().describe_db_instances().send().await.expect("instances");
        }
    }
}

impl Managed for Estate {
    const NIGHT: &'static [&'static str] = &["CreateDBSnapshot", "CopyDBSnapshot"];
    const DRILL: &'static [&'static str] =
        &["RestoreDBInstanceFromDBSnapshot", "ModifyDBInstance", "AddTagsToResource", "DeleteDBInstance"];
    const DRILL_OF_A_MOMENT: &'static [&'static str] =
        &["RestoreDBInstanceToPointInTime", "ModifyDBInstance", "AddTagsToResource", "DeleteDBInstance"];
    const LATE: &'static [(Late, &'static str)] = &[(Late::Failed, "failed")];
    const RIGHTS: &'static str = "rds:";

    async fn build_around(story: &str, instance: &str) -> Option<Self> {
        Estate::build_around(story, instance).await
    }

    async fn build(story: &str) -> Option<Self> {
        Estate::build(story).await
    }

    fn drilling_a_moment(self, ago: &str) -> Self {
        Estate::drilling_a_moment(self, ago)
    }

    fn env(&self) -> &Env {
        &self.env
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn production(&self) -> &str {
        match &self.env.config.assets[&Managed::asset(self)].source {
            lastgood_core::config::Source::Rds { instance, .. } => instance,
            other => panic!("{}", other.kind()),
        }
    }

    fn server(&self) -> &Cluster {
        &self.production
    }

    async fn copy(&self) -> String {
        format!("{:?}", CrossRegionCopy::default().run(&self.env).await.expect("a report"))
    }

    fn copies(&self) -> usize {
        1
    }

    fn lose(&self, call: &str, half: Lost) {
        self.aws.faults().lose(call, self.aws.calls(call) + 1, half);
    }

    fn calls(&self, call: &str) -> usize {
        self.aws.calls(call)
    }

    fn calls_so_far(&self) -> usize {
        self.aws.faults().calls_so_far()
    }

    async fn killed_after<T>(&self, k: usize, work: impl Future<Output = T>) -> Option<T> {
        self.aws.faults().killed_after(k, work).await
    }

    fn throttle_every(&self, k: usize) {
        self.aws.faults().throttle_every(k);
    }

    fn small_pages(&self) {
        self.aws.faults().rules(|rules| rules.page = 2);
    }

    fn slow(&self, looks: usize) {
        self.aws.faults().rules(|rules| rules.looks = looks);
    }

    async fn busy(&self, looks: usize) {
        let states = [vec!["backing-up"; looks / 3], vec!["modifying"; looks - looks / 3]].concat();
        self.aws.shows(HOME, self.production(), &states).await;
    }

    fn fail_late(&self, late: Late) {
        assert_eq!(late, Late::Failed, "RDS knows no other");
        self.aws.faults().fail_late(1);
    }

    fn allow_all(&self) {
        self.aws.faults().allow_all();
    }

    fn deny(&self, right: &str) {
        self.aws.faults().deny(right);
    }

    fn rights_since(&self, calls: usize) -> Vec<String> {
        self.aws.faults().permissions_since(calls).into_iter().collect()
    }

    async fn held(&self) -> Vec<String> {
        self.snapshots(HOME).await
    }

    async fn instances(&self) -> Vec<String> {
        [Estate::instances(self, HOME).await, Estate::instances(self, FAR).await].concat()
    }

    fn meddled_with(&self) -> Vec<String> {
        let calls = ["ModifyDBInstance", "DeleteDBInstance"].into_iter().flat_map(|action| self.aws.faults().calls_of(action));
        calls.map(|call| call.get("DBInstanceIdentifier").to_owned()).collect()
    }

    async fn strange_backup(&self, label: &Label) -> String {
        let by_hand = self.rds().create_db_snapshot().db_instance_identifier(self.production()).db_snapshot_identifier(&label.name.0);
        by_hand.send().await.expect("a snapshot by hand");
        self.settles().await;
        self.strange_backup_now(label).await
    }

    async fn strange_backup_now(&self, label: &Label) -> String {
        let seen = self.rds().describe_db_snapshots().db_snapshot_identifier(&label.name.0).send().await.expect("the snapshot");
        seen.db_snapshots().iter().map(|seen| format!("{:?} {:?}", seen.db_snapshot_arn(), seen.tag_list())).collect()
    }

    async fn other_backups(&self, n: usize) {
        for n in 0..n {
            let by_hand = self.rds().create_db_snapshot().db_instance_identifier(self.production());
            by_hand.db_snapshot_identifier(format!("by-hand-{n}")).send().await.expect("a snapshot by hand");
            self.settles().await;
        }
    }

    async fn strange_instance(&self, name: &str) {
        self.aws.database(&self.production, name, HOME).await;
    }

    async fn protect(&self, name: &str) {
        self.settles().await;
        self.rds().modify_db_instance().db_instance_identifier(name).deletion_protection(true).send().await.expect("protection");
    }

    async fn protected(&self, name: &str) -> bool {
        let seen = self.rds().describe_db_instances().db_instance_identifier(name).send().await.expect("the instance");
        seen.db_instances().iter().any(|seen| seen.deletion_protection() == Some(true))
    }

    async fn promote(&self, replica: &ReplicaName) {
        let asset = Managed::asset(self);
        let tags = [("replica", replica.0.as_str()), ("asset", asset.as_str()), ("expires", "2026-11-01T10:00:00Z"), ("ready", "true")];
        for (name, value) in tags {
            self.aws.tag(HOME, "db", self.production(), &format!("lastgood:{name}"), Some(value)).await;
        }
    }

    async fn without_continuous_backups(&self) -> &'static str {
        self.rds()
            .modify_db_instance()
            .db_instance_identifier(self.production())
            .backup_retention_period(0)
            .send()
            .await
            .expect("no backups");
        self.settles().await;
        "backup retention"
    }
}
