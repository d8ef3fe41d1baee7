//! Aurora clusters: the storage is a real server's, which answers only once the cluster has an instance. A restore makes the
//! cluster alone; it goes only after its instances.

use super::{
    Rds, Region, Regions, continuous,
    instances::{Instance, identity},
    manual, moment, resolve,
    snapshots::{Snapshot, available},
    under_way::{End, UnderWay},
};
use crate::{
    aws::{
        postgres::MASTER,
        wire::{Call, Refusal, ask},
        xml::Node,
    },
    engine::{Address, Continuous, Frozen, Socket},
    pg::Cluster as Server,
};
use std::sync::Arc;

/// A cluster, as far as moto does not know it.
pub struct Cluster {
    pub(super) under_way: UnderWay,
    identity: String,
    pub(super) server: Socket,
    address: Address,
    /// The server itself, if it is ours to stop.
    _owned: Option<Server>,
    password: Option<String>,
    /// Its continuous backups.
    pub(super) continuous: Option<Continuous>,
}

impl Cluster {
    /// One that has long been running.
    pub fn running(name: &str, region: &str, server: Socket, address: Address, continuous: Option<Continuous>) -> Self {
        let running = UnderWay::new("available", 0, End::Available);
        Self { continuous, ..Self::of(running, name, region, server, address, None) }
    }

    fn of(under_way: UnderWay, name: &str, region: &str, server: Socket, address: Address, owned: Option<Server>) -> Self {
        let identity = identity("cluster", name, region, server.port);
        Self { under_way, identity, server, address, _owned: owned, password: None, continuous: None }
    }

    /// Freezes its storage for a snapshot that RDS takes by itself.
    pub(super) async fn freeze_for_itself(&self) -> (Frozen, String) {
        (self.server.freeze().await, self.identity.clone())
    }

    fn dress(&self, node: &mut Node) {
        node.set("Status", self.under_way.state());
        node.set("DbClusterResourceId", &self.identity);
        node.set("Endpoint", &self.address.host.to_string());
        node.set("ReaderEndpoint", &self.address.host.to_string());
        node.set("Port", &self.address.port.to_string());
        if self.password.is_some() {
            node.put(Node::with("PendingModifiedValues", vec![Node::new("MasterUserPassword", "****")]));
        }
    }
}

fn busy(what: &str, state: &str) -> Refusal {
    Refusal::new("InvalidDBClusterStateFault", format!("DBCluster {what} is not in available state: it is {state}"))
}

impl Rds {
    pub(super) async fn describe_clusters(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let region = regions.entry(call.region.clone()).or_default();
        let gone: Vec<_> = region.clusters.iter().filter(|(_, seen)| seen.under_way.gone()).map(|(name, _)| name.clone()).collect();
        for name in gone {
            let params = [("DBClusterIdentifier", name.as_str()), ("SkipFinalSnapshot", "true")];
            self.moto(&call.region, "DeleteDBCluster", &params).await?;
            region.clusters.remove(&name);
        }
        let mut answer = self.page(call, "DBClusters").await?;
        let mut looked = Vec::new();
        let (now, lag) = (self.clock.now(), self.faults.rules_now().lag);
        answer.each("DBCluster", &mut |node| {
            let name = node.get("DBClusterIdentifier");
            if let Some(cluster) = region.clusters.get_mut(&name) {
                cluster.dress(node);
                node.remove("EarliestRestorableTime");
                node.remove("LatestRestorableTime");
                let window = cluster.continuous.as_ref().and_then(|kept| continuous::window(kept, node, now, lag));
                if let Some((from, to)) = window {
                    node.set("EarliestRestorableTime", &moment(from));
                    node.set("LatestRestorableTime", &moment(to));
                }
                cluster.under_way.look();
                looked.push(name);
            }
        });
        for name in looked {
            let Some(cluster) = region.clusters.get_mut(&name).filter(|cluster| cluster.under_way.over()) else { continue };
            if let Some(password) = cluster.password.take() {
                cluster.server.set_password(MASTER, &password).await;
            }
        }
        Ok(answer)
    }

    pub(super) async fn create_cluster_snapshot(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let region = regions.entry(call.region.clone()).or_default();
        let (of, name) = (call.get("DBClusterIdentifier"), call.get("DBClusterSnapshotIdentifier").to_owned());
        let Some(cluster) = region.clusters.get_mut(of).filter(|_| !region.cluster_snapshots.contains_key(&name)) else {
            return ask(self.moto, call).await;
        };
        let state = cluster.under_way.state();
        if state != "available" {
            return Err(busy(of, state));
        }
        self.room(manual(&region.cluster_snapshots))?;
        let mut answer = ask(self.moto, call).await?;
        let (now, looks) = (self.clock.now(), self.faults.rules_now().looks);
        let frozen = Arc::new(cluster.server.freeze().await);
        cluster.under_way.shows(&vec!["backing-up"; looks]);
        let snapshot = Snapshot::begun(UnderWay::new("creating", looks, self.how_it_ends()), frozen, cluster.identity.clone(), now);
        answer.each("DBClusterSnapshot", &mut |node| snapshot.dress_of_cluster(node));
        region.cluster_snapshots.insert(name, snapshot);
        Ok(answer)
    }

    pub(super) async fn copy_cluster_snapshot(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let rules = self.faults.rules_now();
        let reference = call.get("SourceDBClusterSnapshotIdentifier");
        let (from, source) = resolve(reference, &call.region);
        let name = call.get("TargetDBClusterSnapshotIdentifier").to_owned();
        let here = regions.entry(call.region.clone()).or_default();
        if here.cluster_snapshots.contains_key(&name) {
            return ask(self.moto, call).await;
        }
        if here.cluster_snapshots.values().filter(|snapshot| snapshot.is_copying()).count() >= rules.copies_at_once {
            let message = format!("Cannot copy more than {} snapshots across regions", rules.copies_at_once);
            return Err(Refusal::new("SnapshotQuotaExceeded", message));
        }
        self.room(manual(&here.cluster_snapshots))?;
        let Some(original) = regions.get(from).and_then(|region| region.cluster_snapshots.get(source)) else {
            return Err(absent(reference));
        };
        available(source, original)?;
        let described = self.moto(from, "DescribeDBClusterSnapshots", &[("DBClusterSnapshotIdentifier", source)]).await?;
        let described = described.find("DBClusterSnapshot").cloned().unwrap_or_default();
        let key = call.get("KmsKeyId");
        if described.get("StorageEncrypted") == "true" && from != call.region && key.is_empty() {
            return Err(Refusal::new("InvalidParameterValue", "KmsKeyId is required to copy an encrypted snapshot across regions"));
        }
        self.usable(&described.get("KmsKeyId"))?;
        self.usable(key)?;
        let mut answer = ask(self.moto, call).await?;
        let snapshot = original.copied(UnderWay::new("copying", rules.looks, self.how_it_ends()), self.clock.now(), reference);
        answer.each("DBClusterSnapshot", &mut |node| snapshot.dress_of_cluster(node));
        regions.entry(call.region.clone()).or_default().cluster_snapshots.insert(name, snapshot);
        Ok(answer)
    }

    pub(super) async fn describe_cluster_snapshots(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let region = regions.entry(call.region.clone()).or_default();
        let gone: Vec<_> =
            region.cluster_snapshots.iter().filter(|(_, seen)| seen.under_way.gone()).map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.moto(&call.region, "DeleteDBClusterSnapshot", &[("DBClusterSnapshotIdentifier", &name)]).await?;
            region.cluster_snapshots.remove(&name);
        }
        let ours = |node: &Node| region.cluster_snapshots.contains_key(&node.get("DBClusterSnapshotIdentifier"));
        let mut answer = self.page_of_snapshots(call, "DBClusterSnapshots", ours).await?;
        answer.each("DBClusterSnapshot", &mut |node| {
            if let Some(snapshot) = region.cluster_snapshots.get_mut(&node.get("DBClusterSnapshotIdentifier")) {
                snapshot.dress_of_cluster(node);
                snapshot.under_way.look();
            }
        });
        Ok(answer)
    }

    pub(super) async fn delete_cluster_snapshot(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let name = call.get("DBClusterSnapshotIdentifier");
        let known = regions.get_mut(&call.region).and_then(|region| region.cluster_snapshots.get_mut(name));
        let Some(snapshot) = known.filter(|snapshot| !snapshot.under_way.gone()) else { return Err(absent(name)) };
        if !snapshot.under_way.over() {
            let message = format!("Cannot delete the snapshot because it is not currently in the available state: {name}");
            return Err(Refusal::new("InvalidDBClusterSnapshotStateFault", message));
        }
        let answer = self.moto(&call.region, "DescribeDBClusterSnapshots", &[("DBClusterSnapshotIdentifier", name)]).await?;
        let mut node = answer.find("DBClusterSnapshot").cloned().unwrap_or_default();
        snapshot.under_way = UnderWay::new("deleting", 1, End::Gone);
        snapshot.dress_of_cluster(&mut node);
        Ok(Node::with("DeleteDBClusterSnapshotResponse", vec![Node::with("DeleteDBClusterSnapshotResult", vec![node])]))
    }

    pub(super) async fn restore_cluster(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let name = call.get("DBClusterIdentifier").to_owned();
        let (from, source) = resolve(call.get("SnapshotIdentifier"), &call.region);
        let region = regions.entry(call.region.clone()).or_default();
        let Some(snapshot) = region.cluster_snapshots.get(source).filter(|_| from == call.region) else {
            return Err(absent(call.get("SnapshotIdentifier")));
        };
        if region.clusters.contains_key(&name) {
            return Err(Refusal::new("DBClusterAlreadyExistsFault", "DB Cluster already exists"));
        }
        available(source, snapshot)?;
        let server = self.estates.restored(&snapshot.frozen).await;
        // moto takes the bare name only.
        let mut bare = call.clone();
        bare.params.insert("SnapshotIdentifier".to_owned(), source.to_owned());
        self.begin_restored_cluster(region, &bare, &name, server).await
    }

    /// Puts a cluster there that begins with the data of a server. The call is that of a restore from a snapshot.
    pub(super) async fn begin_restored_cluster(
        &self,
        region: &mut Region,
        call: &Call,
        name: &str,
        server: Server,
    ) -> Result<Node, Refusal> {
        ask(self.moto, call).await?;
        // moto carries over what a restore does not bring; what is not asked for is as RDS makes it.
        let flag = |param: &str| if call.get(param) == "true" { "true" } else { "false" };
        let mut modified = vec![
            ("DBClusterIdentifier", name),
            ("DeletionProtection", flag("DeletionProtection")),
            ("CopyTagsToSnapshot", flag("CopyTagsToSnapshot")),
        ];
        if !call.names("VpcSecurityGroupIds.") {
            modified.push(("VpcSecurityGroupIds.VpcSecurityGroupId.1", "sg-0default"));
        }
        let modified = self.moto(&call.region, "ModifyDBCluster", &modified).await?;
        let socket = Socket::of(&server);
        let address = self.estates.address(&socket);
        let under_way = UnderWay::new("creating", self.faults.rules_now().looks, End::Available);
        let cluster = Cluster::of(under_way, name, &call.region, socket, address, Some(server));
        let mut node = modified.find("DBCluster").cloned().unwrap_or_default();
        cluster.dress(&mut node);
        region.clusters.insert(name.to_owned(), cluster);
        Ok(Node::with("RestoreDBClusterFromSnapshotResponse", vec![Node::with("RestoreDBClusterFromSnapshotResult", vec![node])]))
    }

    /// An instance of a cluster: what makes it answer.
    pub(super) async fn create_instance(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let (of, name) = (call.get("DBClusterIdentifier"), call.get("DBInstanceIdentifier").to_owned());
        let region = regions.entry(call.region.clone()).or_default();
        let Some(cluster) = region.clusters.get(of) else { return ask(self.moto, call).await };
        let state = cluster.under_way.state();
        if state == "creating" || state == "deleting" {
            return Err(busy(of, state));
        }
        let mut answer = ask(self.moto, call).await?;
        let address = self.estates.address(&cluster.server);
        let member = Instance::member(&name, of, &call.region, self.faults.rules_now().looks, cluster.server.clone(), address);
        answer.each("DBInstance", &mut |node| member.dress(node));
        region.instances.insert(name, member);
        Ok(answer)
    }

    pub(super) async fn modify_cluster(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let name = call.get("DBClusterIdentifier");
        let known = regions.get_mut(&call.region).and_then(|region| region.clusters.get_mut(name));
        let Some(cluster) = known else { return ask(self.moto, call).await };
        let state = cluster.under_way.state();
        if state != "available" {
            return Err(busy(name, state));
        }
        let mut rest = call.clone();
        let password = rest.params.remove("MasterUserPassword");
        let mut answer = ask(self.moto, &rest).await?;
        cluster.under_way.shows(&["available", if password.is_some() { "resetting-master-credentials" } else { "modifying" }]);
        cluster.password = password.or(cluster.password.take());
        answer.each("DBCluster", &mut |node| cluster.dress(node));
        Ok(answer)
    }

    pub(super) async fn delete_cluster(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let name = call.get("DBClusterIdentifier");
        let Some(region) = regions.get_mut(&call.region) else { return ask(self.moto, call).await };
        let members = region.instances.values().any(|instance| instance.is_of(name));
        let Some(cluster) = region.clusters.get_mut(name) else { return ask(self.moto, call).await };
        if cluster.under_way.end == End::Gone {
            return Err(busy(name, "deleting"));
        }
        if members {
            let message = "Cluster cannot be deleted, it still contains DB instances in non-deleting state.";
            return Err(Refusal::new("InvalidDBClusterStateFault", message));
        }
        let described = self.moto(&call.region, "DescribeDBClusters", &[("DBClusterIdentifier", name)]).await?;
        let mut node = described.find("DBCluster").cloned().unwrap_or_default();
        if node.get("DeletionProtection") == "true" {
            let message = "Cannot delete protected Cluster, please disable deletion protection and try again.";
            return Err(Refusal::new("InvalidParameterCombination", message));
        }
        if call.get("SkipFinalSnapshot") != "true" {
            let message = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.";
            return Err(Refusal::new("InvalidParameterCombination", message));
        }
        cluster.under_way = UnderWay::new("deleting", self.faults.rules_now().looks, End::Gone);
        cluster.dress(&mut node);
        Ok(Node::with("DeleteDBClusterResponse", vec![Node::with("DeleteDBClusterResult", vec![node])]))
    }

    /// Puts a cluster with one instance there that has long been running.
    pub async fn found_cluster(&self, region: &str, name: &str, key: &str, server: Socket) {
        let group = format!("{name}-parameters");
        self.cluster_parameters(region, &group).await;
        let params = [
            ("DBClusterIdentifier", name),
            ("Engine", "aurora-postgresql"),
            ("EngineVersion", "15.18"),
            ("MasterUsername", MASTER),
            ("MasterUserPassword", super::MASTER_PASSWORD),
            ("StorageEncrypted", "true"),
            ("KmsKeyId", key),
            ("DeletionProtection", "true"),
            ("DBClusterParameterGroupName", &group),
            ("VpcSecurityGroupIds.VpcSecurityGroupId.1", "sg-0production"),
            ("BackupRetentionPeriod", "7"),
            ("CopyTagsToSnapshot", "true"),
            ("EnableIAMDatabaseAuthentication", "true"),
            ("Tags.Tag.1.Key", "environment"),
            ("Tags.Tag.1.Value", "production"),
        ];
        self.moto(region, "CreateDBCluster", &params).await.expect("a cluster");
        let member = format!("{name}-one");
        let params = [
            ("DBInstanceIdentifier", member.as_str()),
            ("DBClusterIdentifier", name),
            ("DBInstanceClass", "db.r6g.large"),
            ("Engine", "aurora-postgresql"),
        ];
        self.moto(region, "CreateDBInstance", &params).await.expect("an instance of the cluster");
        let continuous = Continuous::begin(&server, self.clock.now()).await;
        let mut regions = self.regions.lock().await;
        let at = regions.entry(region.to_owned()).or_default();
        at.instances.insert(member.clone(), Instance::member(&member, name, region, 0, server.clone(), self.estates.address(&server)));
        let address = self.estates.address(&server);
        at.clusters.insert(name.to_owned(), Cluster::running(name, region, server, address, continuous));
    }

    /// Makes a parameter group for clusters.
    pub async fn cluster_parameters(&self, region: &str, group: &str) {
        let family = [("DBClusterParameterGroupName", group), ("DBParameterGroupFamily", "aurora-postgresql15"), ("Description", "tuned")];
        self.moto(region, "CreateDBClusterParameterGroup", &family).await.expect("a parameter group");
    }
}

fn absent(name: &str) -> Refusal {
    Refusal::new("DBClusterSnapshotNotFoundFault", format!("DBClusterSnapshot {name} not found.")).with_status(404)
}
