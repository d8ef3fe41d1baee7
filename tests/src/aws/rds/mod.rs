//! RDS: moto keeps the books, this layer keeps the truth. What is under way takes looks; what runs is a real server.

mod clusters;
mod continuous;
mod exports;
mod instances;
mod paging;
mod snapshots;
pub(super) mod under_way;

use super::{
    InstanceSeen,
    faults::Faults,
    postgres::{Estates, MASTER, MASTER_PASSWORD},
    wire::{Call, Refusal, ask},
    xml::Node,
};
use crate::{
    engine::{Continuous, Dated, Socket},
    s3::KEY_ID,
};
use clusters::Cluster;
use instances::Instance;
use lastgood_core::clock::Timestamp;
use snapshots::Snapshot;
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};
use tokio::sync::Mutex;
use under_way::UnderWay;

/// RDS in every region.
pub struct Rds {
    moto: SocketAddr,
    clock: Arc<dyn Dated>,
    faults: Faults,
    estates: Arc<Estates>,
    regions: Mutex<Regions>,
}

/// What the names of snapshots begin with that RDS takes by itself.
const AUTOMATED: &str = "rds:";

type Regions = BTreeMap<String, Region>;

/// What this layer knows of a region.
#[derive(Default)]
struct Region {
    instances: BTreeMap<String, Instance>,
    snapshots: BTreeMap<String, Snapshot>,
    clusters: BTreeMap<String, Cluster>,
    cluster_snapshots: BTreeMap<String, Snapshot>,
    exports: BTreeMap<String, UnderWay>,
}

impl Rds {
    /// Nothing runs yet.
    pub fn new(moto: SocketAddr, clock: Arc<dyn Dated>, faults: Faults, estates: Arc<Estates>) -> Self {
        Self { moto, clock, faults, estates, regions: Mutex::default() }
    }

    /// Answers a request. One at a time: what it decides on stands still meanwhile.
    pub async fn answer(&self, call: &Call) -> Result<Node, Refusal> {
        let mut regions = self.regions.lock().await;
        match call.action.as_str() {
            "CreateDBSnapshot" => self.create_snapshot(&mut regions, call).await,
            "CopyDBSnapshot" => self.copy_snapshot(&mut regions, call).await,
            "DescribeDBSnapshots" => self.describe_snapshots(&mut regions, call).await,
            "DeleteDBSnapshot" => self.delete_snapshot(&mut regions, call).await,
            "ModifyDBSnapshotAttribute" => self.share_snapshot(call).await,
            "DescribeDBInstances" => self.describe_instances(&mut regions, call).await,
            "DescribeDBInstanceAutomatedBackups" => self.describe_continuous(&mut regions, call).await,
            "RestoreDBInstanceToPointInTime" => self.restore_instance_to_moment(&mut regions, call).await,
            "RestoreDBClusterToPointInTime" => self.restore_cluster_to_moment(&mut regions, call).await,
            "RestoreDBInstanceFromDBSnapshot" => self.restore_instance(&mut regions, call).await,
            "ModifyDBInstance" => self.modify_instance(&mut regions, call).await,
            "DeleteDBInstance" => self.delete_instance(&mut regions, call).await,
            "StartExportTask" => self.start_export(&mut regions, call).await,
            "DescribeExportTasks" => self.describe_exports(&mut regions, call).await,
            "CreateDBInstance" => self.create_instance(&mut regions, call).await,
            "CreateDBClusterSnapshot" => self.create_cluster_snapshot(&mut regions, call).await,
            "CopyDBClusterSnapshot" => self.copy_cluster_snapshot(&mut regions, call).await,
            "DescribeDBClusterSnapshots" => self.describe_cluster_snapshots(&mut regions, call).await,
            "DeleteDBClusterSnapshot" => self.delete_cluster_snapshot(&mut regions, call).await,
            "DescribeDBClusters" => self.describe_clusters(&mut regions, call).await,
            "RestoreDBClusterFromSnapshot" => self.restore_cluster(&mut regions, call).await,
            "ModifyDBCluster" => self.modify_cluster(&mut regions, call).await,
            "DeleteDBCluster" => self.delete_cluster(&mut regions, call).await,
            "DescribeAccountAttributes" => Ok(self.account(&regions, call)),
            _ => ask(self.moto, call).await,
        }
    }

    /// How many snapshots there are in a region and how many there may be; moto does not say.
    fn account(&self, regions: &Regions, call: &Call) -> Node {
        let used = regions.get(&call.region).map_or(0, |region| manual(&region.snapshots));
        let quota = vec![
            Node::new("AccountQuotaName", "ManualSnapshots"),
            Node::new("Used", &used.to_string()),
            Node::new("Max", &self.faults.rules_now().manual_snapshots.to_string()),
        ];
        let quotas = Node::with("AccountQuotas", vec![Node::with("AccountQuota", quota)]);
        let result = Node::with("DescribeAccountAttributesResult", vec![quotas]);
        Node::with("DescribeAccountAttributesResponse", vec![result])
    }

    /// Asks moto in a region, on behalf of nobody in particular.
    async fn moto(&self, region: &str, action: &str, params: &[(&str, &str)]) -> Result<Node, Refusal> {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (service, key_id) = ("rds".to_owned(), KEY_ID.to_owned());
        ask(self.moto, &Call { service, region: region.to_owned(), key_id, action: action.to_owned(), params, besides: None }).await
    }

    /// Puts an instance there that has long been running.
    pub async fn found(&self, region: &str, name: &str, key: &str, server: Socket) {
        let group = format!("{name}-parameters");
        self.parameters(region, &group).await;
        let params = [
            ("DBInstanceIdentifier", name),
            ("DBInstanceClass", "db.r6g.large"),
            ("Engine", "postgres"),
            ("EngineVersion", "15.18"),
            ("AllocatedStorage", "20"),
            ("MasterUsername", MASTER),
            ("MasterUserPassword", MASTER_PASSWORD),
            ("DBParameterGroupName", &group),
            ("VpcSecurityGroupIds.VpcSecurityGroupId.1", "sg-0production"),
            ("StorageEncrypted", "true"),
            ("KmsKeyId", key),
            ("DeletionProtection", "true"),
            ("PubliclyAccessible", "false"),
            ("MultiAZ", "true"),
            ("BackupRetentionPeriod", "7"),
            ("CopyTagsToSnapshot", "true"),
            ("Tags.Tag.1.Key", "environment"),
            ("Tags.Tag.1.Value", "production"),
        ];
        self.moto(region, "CreateDBInstance", &params).await.expect("an instance");
        let address = self.estates.address(&server);
        let continuous = Continuous::begin(&server, self.clock.now()).await;
        let instance = Instance::running(name, region, server, address, continuous);
        self.regions.lock().await.entry(region.to_owned()).or_default().instances.insert(name.to_owned(), instance);
    }

    /// Makes a parameter group.
    pub async fn parameters(&self, region: &str, group: &str) {
        let family = [("DBParameterGroupName", group), ("DBParameterGroupFamily", "postgres15"), ("Description", "tuned")];
        self.moto(region, "CreateDBParameterGroup", &family).await.expect("a parameter group");
    }

    /// Lets an instance show these states before it is what it was.
    pub async fn shows(&self, region: &str, name: &str, states: &[&'static str]) {
        let mut regions = self.regions.lock().await;
        if let Some(instance) = regions.get_mut(region).and_then(|region| region.instances.get_mut(name)) {
            instance.under_way.shows(states);
        }
    }

    /// Takes a snapshot of an instance or cluster by itself, as in its backup window: it is there at once. moto made its entry
    /// together with what it is of; what it holds, and of which moment, is said here.
    pub async fn takes_by_itself(&self, region: &str, of: &str) {
        let now = self.clock.now();
        let mut regions = self.regions.lock().await;
        let here = regions.entry(region.to_owned()).or_default();
        let over = UnderWay::new("creating", 0, under_way::End::Available);
        if let Some(instance) = here.instances.get(of) {
            let frozen = Arc::new(instance.freeze().await.expect("a frozen instance"));
            let params = [("DBInstanceIdentifier", of), ("SnapshotType", "automated")];
            let name = self.named(region, "DescribeDBSnapshots", &params, "DBSnapshotIdentifier").await;
            here.snapshots.insert(name, Snapshot::begun(over, frozen, instance.identity().to_owned(), now));
        } else {
            let cluster = here.clusters.get(of).expect("an instance or a cluster");
            let (frozen, identity) = cluster.freeze_for_itself().await;
            let params = [("DBClusterIdentifier", of), ("SnapshotType", "automated")];
            let name = self.named(region, "DescribeDBClusterSnapshots", &params, "DBClusterSnapshotIdentifier").await;
            here.cluster_snapshots.insert(name, Snapshot::begun(over, Arc::new(frozen), identity, now));
        }
    }

    async fn named(&self, region: &str, action: &str, params: &[(&str, &str)], id: &str) -> String {
        let found = self.moto(region, action, params).await.expect("a listing");
        found.find(id).expect("an automated snapshot").own_text()
    }

    /// What runs in a region.
    pub async fn instances(&self, region: &str) -> Vec<InstanceSeen> {
        let regions = self.regions.lock().await;
        let seen = regions.get(region).into_iter().flat_map(|region| &region.instances);
        seen.map(|(name, instance)| instance.seen(name)).collect()
    }
}

/// How many snapshots count against the quota of manual ones.
fn manual(snapshots: &BTreeMap<String, Snapshot>) -> usize {
    snapshots.keys().filter(|name| !name.starts_with(AUTOMATED)).count()
}

/// A moment as RDS writes it.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The region and the name that an ARN names; a bare name is of the region asked.
fn resolve<'a>(reference: &'a str, region: &'a str) -> (&'a str, &'a str) {
    // What RDS takes by itself has a colon in its name.
    match reference.splitn(7, ':').collect::<Vec<_>>()[..] {
        ["arn", _, "rds", region, _, _, name] => (region, name),
        _ => (region, reference),
    }
}
