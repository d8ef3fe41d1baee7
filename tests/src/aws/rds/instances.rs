//! Instances: each is a real server. A restored one is owned here, and stops when it is deleted.

use super::{
    Rds, Region, Regions, resolve,
    snapshots::available,
    under_way::{End, UnderWay},
};
use crate::{
    aws::{
        InstanceSeen,
        postgres::MASTER,
        wire::{Call, Refusal, ask},
        xml::Node,
    },
    engine::{Address, Continuous, Frozen, Socket},
    pg::Cluster,
};
use sha2::{Digest, Sha256};

/// An instance, as far as moto does not know it.
pub struct Instance {
    pub(super) under_way: UnderWay,
    identity: String,
    pub(super) server: Socket,
    address: Address,
    /// The server itself, if it is ours to stop.
    _owned: Option<Cluster>,
    /// The cluster that it is a member of.
    cluster: Option<String>,
    /// The master's password that takes effect once nothing is under way.
    password: Option<String>,
    /// Its continuous backups.
    pub(super) continuous: Option<Continuous>,
}

impl Instance {
    /// One that has long been running.
    pub fn running(name: &str, region: &str, server: Socket, address: Address, continuous: Option<Continuous>) -> Self {
        let under_way = UnderWay::new("available", 0, End::Available);
        Self {
            under_way,
            identity: identity("db", name, region, server.port),
            server,
            address,
            _owned: None,
            cluster: None,
            password: None,
            continuous,
        }
    }

    /// One that was just restored: RDS backs it up before it hands it over.
    fn restored(name: &str, region: &str, looks: usize, cluster: Cluster, address: Address) -> Self {
        let server = Socket::of(&cluster);
        let mut under_way = UnderWay::new("creating", looks, End::Available);
        under_way.shows(&["backing-up"]);
        Self {
            under_way,
            identity: identity("db", name, region, server.port),
            server,
            address,
            _owned: Some(cluster),
            cluster: None,
            password: None,
            continuous: None,
        }
    }

    /// An instance of a cluster, which answers for its storage.
    pub(super) fn member(name: &str, cluster: &str, region: &str, looks: usize, server: Socket, address: Address) -> Self {
        let under_way = UnderWay::new("creating", looks, End::Available);
        let identity = identity("db", name, region, address.host.octets()[3].into());
        Self { under_way, identity, server, address, _owned: None, cluster: Some(cluster.to_owned()), password: None, continuous: None }
    }

    /// Whether it is a member of a cluster.
    pub(super) fn is_member(&self) -> bool {
        self.cluster.is_some()
    }

    /// Whether it is a member of this one.
    pub(super) fn is_of(&self, cluster: &str) -> bool {
        self.cluster.as_deref() == Some(cluster)
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn seen(&self, name: &str) -> InstanceSeen {
        InstanceSeen { name: name.to_owned(), identity: self.identity.clone(), port: self.server.port }
    }

    pub(super) async fn freeze(&self) -> Result<Frozen, Refusal> {
        Ok(self.server.freeze().await)
    }

    /// Makes moto's description of it true.
    pub(super) fn dress(&self, node: &mut Node) {
        let state = self.under_way.state();
        node.set("DBInstanceStatus", state);
        node.set("DbiResourceId", &self.identity);
        node.remove("Endpoint");
        if state != "creating" {
            let Address { host, port, .. } = &self.address;
            node.put(Node::with("Endpoint", vec![Node::new("Address", &host.to_string()), Node::new("Port", &port.to_string())]));
        }
        if self.password.is_some() {
            node.put(Node::with("PendingModifiedValues", vec![Node::new("MasterUserPassword", "****")]));
        }
    }
}

/// The lasting name of an instance: no other ever has it.
pub(super) fn identity(kind: &str, name: &str, region: &str, port: u16) -> String {
    let digest = hex::encode_upper(Sha256::digest(format!("{region}/{name}/{port}")));
    format!("{kind}-{}", &digest[..26])
}

fn state_refusal(name: &str, state: &str) -> Refusal {
    Refusal::new("InvalidDBInstanceState", format!("Database instance {name} is not in available state: it is {state}."))
}

impl Rds {
    pub(super) async fn describe_instances(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let region = regions.entry(call.region.clone()).or_default();
        let gone: Vec<String> =
            region.instances.iter().filter(|(_, instance)| instance.under_way.gone()).map(|(name, _)| name.clone()).collect();
        for name in gone {
            let params = [("DBInstanceIdentifier", name.as_str()), ("SkipFinalSnapshot", "true")];
            self.moto(&call.region, "DeleteDBInstance", &params).await?;
            // Its server stops here, and its folder goes with it.
            region.instances.remove(&name);
        }
        let mut answer = self.page(call, "DBInstances").await?;
        let mut looked = Vec::new();
        // Logs are shipped every five minutes; moto's own clock is not that of the test.
        let shipped = super::moment(lastgood_core::clock::before(self.clock.now(), self.faults.rules_now().lag));
        answer.each("DBInstance", &mut |node| {
            let name = node.get("DBInstanceIdentifier");
            match node.get("BackupRetentionPeriod").as_str() {
                "0" | "" => node.remove("LatestRestorableTime"),
                _ => node.set("LatestRestorableTime", &shipped),
            }
            if let Some(instance) = region.instances.get_mut(&name) {
                instance.dress(node);
                instance.under_way.look();
                looked.push(name);
            }
        });
        for name in looked {
            let Some(instance) = region.instances.get_mut(&name).filter(|instance| instance.under_way.over()) else { continue };
            if let Some(password) = instance.password.take() {
                instance.server.set_password(MASTER, &password).await;
            }
        }
        Ok(answer)
    }

    pub(super) async fn restore_instance(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let name = call.get("DBInstanceIdentifier").to_owned();
        let (from, source) = resolve(call.get("DBSnapshotIdentifier"), &call.region);
        let region = regions.entry(call.region.clone()).or_default();
        let Some(snapshot) = region.snapshots.get(source).filter(|_| from == call.region) else {
            let message = format!("DBSnapshot {} not found.", call.get("DBSnapshotIdentifier"));
            return Err(Refusal::new("DBSnapshotNotFound", message).with_status(404));
        };
        if region.instances.contains_key(&name) {
            return Err(Refusal::new("DBInstanceAlreadyExists", "DB instance already exists"));
        }
        available(source, snapshot)?;
        let described = self.moto(from, "DescribeDBSnapshots", &[("DBSnapshotIdentifier", source)]).await?;
        self.usable(&described.find("KmsKeyId").map(Node::own_text).unwrap_or_default())?;
        let server = self.estates.restored(&snapshot.frozen).await;
        self.begin_restored(region, call, &name, server).await
    }

    /// Puts an instance there that begins with the data of a server. The call is that of a restore from a snapshot.
    pub(super) async fn begin_restored(&self, region: &mut Region, call: &Call, name: &str, server: Cluster) -> Result<Node, Refusal> {
        ask(self.moto, call).await?;
        // moto carries over what a restore does not bring; what is not asked for is as RDS makes it.
        let asked = |param: &str, otherwise: &str| match call.get(param) {
            "" => otherwise.to_owned(),
            asked => asked.to_owned(),
        };
        let otherwise = [
            ("DBInstanceIdentifier", name.to_owned()),
            ("DeletionProtection", asked("DeletionProtection", "false")),
            ("PubliclyAccessible", asked("PubliclyAccessible", "true")),
            ("MultiAZ", asked("MultiAZ", "false")),
            ("EnableIAMDatabaseAuthentication", asked("EnableIAMDatabaseAuthentication", "false")),
        ];
        let otherwise: Vec<_> = otherwise.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let modified = self.moto(&call.region, "ModifyDBInstance", &otherwise).await?;
        let address = self.estates.address(&Socket::of(&server));
        let instance = Instance::restored(name, &call.region, self.faults.rules_now().looks, server, address);
        let mut node = modified.find("DBInstance").cloned().unwrap_or_default();
        instance.dress(&mut node);
        region.instances.insert(name.to_owned(), instance);
        let result = Node::with("RestoreDBInstanceFromDBSnapshotResult", vec![node]);
        Ok(Node::with("RestoreDBInstanceFromDBSnapshotResponse", vec![result]))
    }

    pub(super) async fn modify_instance(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let name = call.get("DBInstanceIdentifier");
        let known = regions.get_mut(&call.region).and_then(|region| region.instances.get_mut(name));
        let Some(instance) = known else { return ask(self.moto, call).await };
        let state = instance.under_way.state();
        if state != "available" {
            return Err(state_refusal(name, state));
        }
        let password = call.get("MasterUserPassword").to_owned();
        let acceptable = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | '@' | '"');
        if !password.is_empty() && (password.len() < 8 || !password.chars().all(acceptable)) {
            let message = "The parameter MasterUserPassword is not a valid password: at least 8 printable ASCII characters besides '/', '@', '\"', ' '.";
            return Err(Refusal::new("InvalidParameterValue", message));
        }
        let mut rest = call.clone();
        rest.params.remove("MasterUserPassword");
        let mut answer = ask(self.moto, &rest).await?;
        if password.is_empty() {
            instance.under_way.shows(&["available", "modifying"]);
        } else {
            // For a moment it looks as if nothing were to do.
            instance.under_way.shows(&["available", "resetting-master-credentials"]);
            instance.password = Some(password);
        }
        answer.each("DBInstance", &mut |node| instance.dress(node));
        Ok(answer)
    }

    pub(super) async fn delete_instance(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let name = call.get("DBInstanceIdentifier");
        let known = regions.get_mut(&call.region).and_then(|region| region.instances.get_mut(name));
        let Some(instance) = known else { return ask(self.moto, call).await };
        if instance.under_way.end == End::Gone {
            return Err(Refusal::new("InvalidDBInstanceState", format!("Instance {name} is already being deleted.")));
        }
        let described = self.moto(&call.region, "DescribeDBInstances", &[("DBInstanceIdentifier", name)]).await?;
        let mut node = described.find("DBInstance").cloned().unwrap_or_default();
        if node.get("DeletionProtection") == "true" {
            let message = "Cannot delete protected DB Instance, please disable deletion protection and try again.";
            return Err(Refusal::new("InvalidParameterCombination", message));
        }
        if call.get("SkipFinalSnapshot") != "true" && !instance.is_member() {
            let message = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.";
            return Err(Refusal::new("InvalidParameterCombination", message));
        }
        instance.under_way = UnderWay::new("deleting", self.faults.rules_now().looks, End::Gone);
        instance.dress(&mut node);
        let result = Node::with("DeleteDBInstanceResult", vec![node]);
        Ok(Node::with("DeleteDBInstanceResponse", vec![result]))
    }
}
