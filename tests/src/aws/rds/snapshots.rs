//! Snapshots: a snapshot really freezes the data of its instance, and a copy carries them to another region.

use super::{
    Rds, Regions, manual, moment, resolve,
    under_way::{End, UnderWay},
};
use crate::{
    aws::{
        wire::{Call, Refusal, ask},
        xml::Node,
    },
    engine::Frozen,
};
use lastgood_core::clock::Timestamp;
use std::sync::Arc;

/// A snapshot, as far as moto does not know it.
pub struct Snapshot {
    pub(super) under_way: UnderWay,
    pub(super) frozen: Arc<Frozen>,
    /// The lasting name of the instance that it is of.
    identity: String,
    data_time: Timestamp,
    created_at: Timestamp,
    /// What it is a copy of.
    source: Option<String>,
}

impl Snapshot {
    /// One that begins now.
    pub(super) fn begun(under_way: UnderWay, frozen: Arc<Frozen>, identity: String, now: Timestamp) -> Self {
        Self { under_way, frozen, identity, data_time: now, created_at: now, source: None }
    }

    /// A copy that begins now: it holds the same moment.
    pub(super) fn copied(&self, under_way: UnderWay, now: Timestamp, source: &str) -> Self {
        let Self { frozen, identity, data_time, .. } = self;
        let (frozen, identity, source) = (frozen.clone(), identity.clone(), Some(source.to_owned()));
        Self { under_way, frozen, identity, data_time: *data_time, created_at: now, source }
    }

    /// Whether it is a copy that is not there yet.
    pub(super) fn is_copying(&self) -> bool {
        self.source.is_some() && !self.under_way.over()
    }

    /// Makes moto's description of a cluster's snapshot true: it never says whose moment a copy holds.
    pub(super) fn dress_of_cluster(&self, node: &mut Node) {
        node.set("Status", self.under_way.state());
        node.set("DbClusterResourceId", &self.identity);
        node.set("SnapshotCreateTime", &moment(self.created_at));
        node.set("PercentProgress", if self.under_way.over() { "100" } else { "40" });
        if let Some(source) = &self.source {
            node.set("SourceDBClusterSnapshotArn", source);
        }
    }

    /// Makes moto's description of it true.
    fn dress(&self, node: &mut Node) {
        node.set("Status", self.under_way.state());
        node.set("DbiResourceId", &self.identity);
        node.set("SnapshotDatabaseTime", &moment(self.data_time));
        node.set("OriginalSnapshotCreateTime", &moment(self.data_time));
        node.set("SnapshotCreateTime", &moment(self.created_at));
        let pending = !self.under_way.over() && self.under_way.end != End::Gone;
        node.set("PercentProgress", if pending { "40" } else { "100" });
        if let Some(source) = &self.source {
            node.set("SourceDBSnapshotIdentifier", source);
        }
        if pending && self.source.is_none() {
            // RDS does not know these before the snapshot is there.
            node.remove("SnapshotCreateTime");
            node.remove("SnapshotDatabaseTime");
            node.remove("OriginalSnapshotCreateTime");
        }
    }
}

/// What RDS says of a key that it cannot use.
fn inaccessible(key: &str) -> Refusal {
    let message = format!("The specified KMS key [{key}] does not exist, is not enabled or you do not have permissions to access it.");
    Refusal::new("KMSKeyNotAccessibleFault", message)
}

impl Rds {
    pub(super) async fn create_snapshot(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let rules = self.faults.rules_now();
        let region = regions.entry(call.region.clone()).or_default();
        let (of, name) = (call.get("DBInstanceIdentifier"), call.get("DBSnapshotIdentifier").to_owned());
        let Some(instance) = region.instances.get_mut(of).filter(|_| !region.snapshots.contains_key(&name)) else {
            return ask(self.moto, call).await;
        };
        if instance.is_member() {
            let message = "The specified instance is a member of a cluster and a snapshot cannot be created directly. Please use the CreateDBClusterSnapshot API instead.";
            return Err(Refusal::new("InvalidParameterValue", message));
        }
        let state = instance.under_way.state();
        if !matches!(state, "available" | "storage-optimization") {
            let message = format!("Cannot create a snapshot because the database instance {of} is not currently in the available state.");
            return Err(Refusal::new("InvalidDBInstanceState", message));
        }
        self.room(manual(&region.snapshots))?;
        let mut answer = ask(self.moto, call).await?;
        let data_time = self.clock.now();
        let frozen = Arc::new(instance.freeze().await?);
        instance.under_way.shows(&vec!["backing-up"; rules.looks]);
        let under_way = UnderWay::new("creating", rules.looks, self.how_it_ends());
        let snapshot = Snapshot::begun(under_way, frozen, instance.identity().to_owned(), data_time);
        answer.each("DBSnapshot", &mut |node| snapshot.dress(node));
        region.snapshots.insert(name, snapshot);
        Ok(answer)
    }

    pub(super) async fn copy_snapshot(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let rules = self.faults.rules_now();
        let (from, source) = resolve(call.get("SourceDBSnapshotIdentifier"), &call.region);
        let (source, name) = (source.to_owned(), call.get("TargetDBSnapshotIdentifier").to_owned());
        let across = from != call.region;
        let here = regions.entry(call.region.clone()).or_default();
        if here.snapshots.contains_key(&name) {
            return ask(self.moto, call).await;
        }
        let under_way = here.snapshots.values().filter(|snapshot| snapshot.is_copying()).count();
        if across && under_way >= rules.copies_at_once {
            let message = format!("Cannot copy more than {} snapshots across regions", rules.copies_at_once);
            return Err(Refusal::new("SnapshotQuotaExceeded", message));
        }
        self.room(manual(&here.snapshots))?;
        let Some(original) = regions.get(from).and_then(|region| region.snapshots.get(&source)) else {
            let message = format!("DBSnapshot {} not found.", call.get("SourceDBSnapshotIdentifier"));
            return Err(Refusal::new("DBSnapshotNotFound", message).with_status(404));
        };
        available(&source, original)?;
        let described = self.moto(from, "DescribeDBSnapshots", &[("DBSnapshotIdentifier", source.as_str())]).await?;
        let described = described.find("DBSnapshot").cloned().unwrap_or_default();
        let key = call.get("KmsKeyId");
        if described.get("Encrypted") == "true" && across && key.is_empty() {
            let message = "KmsKeyId is required to copy an encrypted snapshot across regions";
            return Err(Refusal::new("InvalidParameterValue", message));
        }
        self.usable(&described.get("KmsKeyId"))?;
        self.usable(key)?;
        let mut answer = ask(self.moto, call).await?;
        let under_way = UnderWay::new(if across { "copying" } else { "creating" }, rules.looks, self.how_it_ends());
        let snapshot = original.copied(under_way, self.clock.now(), call.get("SourceDBSnapshotIdentifier"));
        answer.each("DBSnapshot", &mut |node| snapshot.dress(node));
        regions.entry(call.region.clone()).or_default().snapshots.insert(name, snapshot);
        Ok(answer)
    }

    pub(super) async fn describe_snapshots(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let region = regions.entry(call.region.clone()).or_default();
        let gone: Vec<String> =
            region.snapshots.iter().filter(|(_, snapshot)| snapshot.under_way.gone()).map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.moto(&call.region, "DeleteDBSnapshot", &[("DBSnapshotIdentifier", &name)]).await?;
            region.snapshots.remove(&name);
        }
        let ours = |node: &Node| region.snapshots.contains_key(&node.get("DBSnapshotIdentifier"));
        let mut answer = self.page_of_snapshots(call, "DBSnapshots", ours).await?;
        answer.each("DBSnapshot", &mut |node| {
            if let Some(snapshot) = region.snapshots.get_mut(&node.get("DBSnapshotIdentifier")) {
                snapshot.dress(node);
                snapshot.under_way.look();
            }
        });
        Ok(answer)
    }

    pub(super) async fn delete_snapshot(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let name = call.get("DBSnapshotIdentifier");
        let known = regions.get_mut(&call.region).and_then(|region| region.snapshots.get_mut(name));
        let Some(snapshot) = known else { return ask(self.moto, call).await };
        if snapshot.under_way.gone() {
            return Err(Refusal::new("DBSnapshotNotFound", format!("DBSnapshot {name} not found.")).with_status(404));
        }
        if !snapshot.under_way.over() {
            let message = format!("Cannot delete the snapshot because it is not currently in the available state: {name}");
            return Err(Refusal::new("InvalidDBSnapshotState", message));
        }
        let mut answer = self.moto(&call.region, "DescribeDBSnapshots", &[("DBSnapshotIdentifier", name)]).await?;
        let node = answer.find_mut("DBSnapshot").cloned().unwrap_or_default();
        self.usable(&node.get("KmsKeyId"))?;
        snapshot.under_way = UnderWay::new("deleting", 1, End::Gone);
        let mut node = node;
        snapshot.dress(&mut node);
        let result = Node::with("DeleteDBSnapshotResult", vec![node]);
        Ok(Node::with("DeleteDBSnapshotResponse", vec![result]))
    }

    /// A snapshot under Amazon's own key is for nobody else.
    pub(super) async fn share_snapshot(&self, call: &Call) -> Result<Node, Refusal> {
        let name = call.get("DBSnapshotIdentifier");
        let described = self.moto(&call.region, "DescribeDBSnapshots", &[("DBSnapshotIdentifier", name)]).await?;
        let key = described.find("KmsKeyId").map(Node::own_text).unwrap_or_default();
        if call.names("ValuesToAdd.") && (key == "default_kms_key_id" || key.ends_with("alias/aws/rds")) {
            let message = "You can't share a DB snapshot that is encrypted with the default KMS key of RDS.";
            return Err(Refusal::new("InvalidParameterCombination", message));
        }
        ask(self.moto, call).await
    }

    pub(super) fn room(&self, held: usize) -> Result<(), Refusal> {
        let most = self.faults.rules_now().manual_snapshots;
        let full = || Refusal::new("SnapshotQuotaExceeded", format!("Cannot create more than {most} manual snapshots"));
        if held < most { Ok(()) } else { Err(full()) }
    }

    pub(super) fn how_it_ends(&self) -> End {
        if self.faults.takes_a_late_failure() { End::Failed } else { End::Available }
    }

    /// Whether a key can be used: RDS describes it and takes a grant on behalf of whoever calls.
    pub(super) fn usable(&self, key: &str) -> Result<(), Refusal> {
        let denied = ["kms:DescribeKey", "kms:CreateGrant"].iter().any(|needed| self.faults.denies(needed));
        if !key.is_empty() && (denied || self.faults.refuses_key(key)) { Err(inaccessible(key)) } else { Ok(()) }
    }
}

/// Whether a snapshot can be used.
pub(super) fn available(name: &str, snapshot: &Snapshot) -> Result<(), Refusal> {
    if snapshot.under_way.over() && snapshot.under_way.end == End::Available {
        return Ok(());
    }
    let message = format!("Cannot use the snapshot {name} because it is in the {} state.", snapshot.under_way.state());
    Err(Refusal::new("InvalidDBSnapshotState", message))
}
