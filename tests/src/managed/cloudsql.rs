//! Cloud SQL, in the words of the stories.

use super::{Late, Managed};
use crate::{
    engine::Lost,
    gcp::{Ending, InstanceSeen},
    pegasus::{Estate, HOME, POLICY, PROJECT},
    pg::Cluster,
};
use lastgood_core::{
    config::Source,
    domain::{drill::ReplicaName, held::Label},
    env::Env,
    testing::ManualClock,
};
use serde_json::json;
use std::sync::Arc;

/// What an instance is changed by.
const CHANGES: [&str; 5] =
    ["sql.instances.patch", "sql.instances.delete", "sql.instances.restoreBackup", "sql.instances.import", "sql.users.update"];

impl Estate {
    /// Takes a backup by hand, and waits until it is there.
    async fn by_hand(&self, description: &str) {
        let of = format!("/v1/projects/{PROJECT}/instances/{}/backupRuns", self.production());
        let (status, begun) = self.gcp.ask("POST", &of, Some(json!({ "description": description }))).await;
        assert_eq!(status, 200, "{begun}");
        let operation = format!("/v1/projects/{PROJECT}/operations/{}", begun["name"].as_str().unwrap_or_default());
        for _ in 0..20 {
            if self.gcp.ask("GET", &operation, None).await.1["status"] == "DONE" {
                return;
            }
        }
        panic!("{begun} is never done");
    }

    async fn seen(&self, name: &str) -> InstanceSeen {
        self.gcp.instances(PROJECT).await.into_iter().find(|seen| seen.name == name).expect("the instance")
    }
}

/// How a backup of ours says whose it is.
fn description(label: &Label) -> String {
    format!("lastgood/1 {} of {} {}", label.backup, label.asset, label.name)
}

impl Managed for Estate {
    const NIGHT: &'static [&'static str] = &["sql.backupRuns.insert"];
    const DRILL: &'static [&'static str] =
        &["sql.instances.insert", "sql.instances.restoreBackup", "sql.users.update", "sql.instances.patch", "sql.instances.delete"];
    const DRILL_OF_A_MOMENT: &'static [&'static str] =
        &["sql.instances.clone", "sql.instances.patch", "sql.users.update", "sql.instances.delete"];
    const LATE: &'static [(Late, &'static str)] =
        &[(Late::Failed, "could not be taken"), (Late::WithError, "INTERNAL_ERROR"), (Late::Skipped, "skipped")];
    const RIGHTS: &'static str = "cloudsql.";

    async fn build_around(_: &str, instance: &str) -> Option<Self> {
        Some(Estate::named("pegasus-db", instance, POLICY).await)
    }

    async fn build(_: &str) -> Option<Self> {
        Some(Estate::build().await)
    }

    fn drilling_a_moment(mut self, ago: &str) -> Self {
        let mut config = (*self.env.config).clone();
        let drill = config.assets.values_mut().find_map(|asset| asset.policy.drill.as_mut()).expect("a drill policy");
        drill.point_in_time = Some(ago.parse().expect("a length of time"));
        self.env.config = Arc::new(config);
        self
    }

    fn env(&self) -> &Env {
        &self.env
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn production(&self) -> &str {
        match self.env.config.assets.values().next().map(|asset| &asset.source) {
            Some(Source::Cloudsql { instance, .. }) => instance,
            other => panic!("{other:?}"),
        }
    }

    fn server(&self) -> &Cluster {
        &self.production
    }

    /// Cloud SQL copies no backup.
    async fn copy(&self) -> String {
        String::new()
    }

    fn copies(&self) -> usize {
        0
    }

    fn lose(&self, call: &str, half: Lost) {
        self.gcp.faults().lose(call, self.gcp.calls(call) + 1, half);
    }

    fn calls(&self, call: &str) -> usize {
        self.gcp.calls(call)
    }

    fn calls_so_far(&self) -> usize {
        self.gcp.faults().calls_so_far()
    }

    async fn killed_after<T>(&self, k: usize, work: impl Future<Output = T>) -> Option<T> {
        self.gcp.faults().killed_after(k, work).await
    }

    fn throttle_every(&self, k: usize) {
        self.gcp.faults().throttle_every(k);
    }

    fn small_pages(&self) {
        self.gcp.faults().rules(|rules| rules.page = 2);
    }

    fn slow(&self, looks: usize) {
        self.gcp.faults().rules(|rules| rules.looks = looks);
    }

    async fn busy(&self, looks: usize) {
        let before = self.gcp.faults().rules_now().looks;
        self.slow(looks);
        self.gcp.begins_by_itself(PROJECT, self.production(), "MAINTENANCE").await;
        self.slow(before);
    }

    fn fail_late(&self, late: Late) {
        let ending = match late {
            Late::Failed => Ending::Failed,
            Late::WithError => Ending::Error,
            Late::Skipped => Ending::Skipped,
        };
        self.gcp.faults().ends("BACKUP_VOLUME", ending);
    }

    fn allow_all(&self) {
        self.gcp.faults().allow_all();
    }

    fn deny(&self, right: &str) {
        self.gcp.faults().deny(right);
    }

    fn rights_since(&self, calls: usize) -> Vec<String> {
        self.gcp.faults().permissions_since(calls).into_iter().collect()
    }

    async fn held(&self) -> Vec<String> {
        let there = self.gcp.backups(PROJECT).await.into_iter().filter(|backup| backup.status == "SUCCESSFUL");
        let mut names: Vec<_> = there.map(|backup| backup.description.rsplit(' ').next().unwrap_or_default().to_owned()).collect();
        names.sort();
        names
    }

    async fn instances(&self) -> Vec<String> {
        Estate::instances(self).await
    }

    fn meddled_with(&self) -> Vec<String> {
        let calls = CHANGES.into_iter().flat_map(|api| self.gcp.faults().calls_of(api));
        calls.map(|call| call.names[1].clone()).collect()
    }

    async fn strange_backup(&self, label: &Label) -> String {
        self.by_hand(&description(label)).await;
        self.strange_backup_now(label).await
    }

    async fn strange_backup_now(&self, label: &Label) -> String {
        let theirs = self.gcp.backups(PROJECT).await.into_iter().filter(|backup| backup.description == description(label));
        theirs.map(|backup| format!("{backup:?}")).collect()
    }

    async fn other_backups(&self, n: usize) {
        for n in 0..n {
            self.by_hand(&format!("by-hand-{n}")).await;
        }
    }

    async fn strange_instance(&self, name: &str) {
        self.gcp.database(&self.production, PROJECT, name, HOME).await;
    }

    async fn protect(&self, name: &str) {
        self.gcp.change(PROJECT, name, &json!({ "settings": { "deletionProtectionEnabled": true } })).await;
    }

    async fn protected(&self, name: &str) -> bool {
        self.seen(name).await.protected
    }

    async fn promote(&self, replica: &ReplicaName) {
        let slot = replica.0.rsplit('-').next().unwrap_or_default();
        let asset = Managed::asset(self);
        let labels = json!({
            "lastgood-asset": asset.as_str(), "lastgood-slot": slot, "lastgood-expires": "1793527200", "lastgood-ready": "true",
        });
        self.gcp.change(PROJECT, self.production(), &json!({ "settings": { "userLabels": labels } })).await;
        assert_eq!(self.seen(self.production()).await.labels.len(), 5, "its own, and ours");
    }

    async fn without_continuous_backups(&self) -> &'static str {
        let off = json!({ "settings": { "backupConfiguration": { "pointInTimeRecoveryEnabled": false } } });
        self.gcp.change(PROJECT, self.production(), &off).await;
        "point-in-time recovery"
    }
}
