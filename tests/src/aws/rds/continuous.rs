//! Restores to a moment, and the window of the moments that there are.

use super::{Rds, Regions, moment};
use crate::{
    aws::{
        wire::{Call, Refusal},
        xml::Node,
    },
    engine::{Continuous, Socket},
    pg::Cluster as Server,
};
use lastgood_core::clock::{Timestamp, before};
use std::time::Duration;

/// The moments that can be restored, of what moto describes so.
pub(super) fn window(kept: &Continuous, described: &Node, now: Timestamp, lag: Duration) -> Option<(Timestamp, Timestamp)> {
    kept.window(described.get("BackupRetentionPeriod").parse().unwrap_or_default(), now, lag)
}

/// A restore to a moment, as one from a snapshot that moto can be asked for.
fn from_snapshot(call: &Call, action: &str, rename: &[(&str, &str)], snapshot: (&str, &str)) -> Call {
    let mut asked = call.clone();
    action.clone_into(&mut asked.action);
    for (from, to) in rename {
        if let Some(value) = asked.params.remove(*from) {
            asked.params.insert((*to).to_owned(), value);
        }
    }
    asked.params.insert("Action".to_owned(), action.to_owned());
    asked.params.insert(snapshot.0.to_owned(), snapshot.1.to_owned());
    asked
}

fn invalid(message: String) -> Refusal {
    Refusal::new("InvalidParameterValue", message)
}

/// The moment that is asked for: a certain one, or the latest.
fn wanted(call: &Call, param: &str, (from, to): (Timestamp, Timestamp)) -> Result<Timestamp, Refusal> {
    let at = match (call.get(param), call.get("UseLatestRestorableTime")) {
        ("", "true") => return Ok(to),
        ("", _) => return Err(Refusal::new("InvalidParameterCombination", "Either a time or the latest restorable time must be given.")),
        (_, "true") => {
            return Err(Refusal::new("InvalidParameterCombination", "A time and the latest restorable time exclude each other."));
        }
        (at, _) => at.parse::<Timestamp>().map_err(|_| invalid(format!("Invalid timestamp {at}")))?,
    };
    if at > to {
        return Err(invalid(format!("The specified instance cannot be restored to a time later than {}", moment(to))));
    }
    if at < from {
        return Err(invalid(format!("The specified instance cannot be restored to a time earlier than {}", moment(from))));
    }
    Ok(at)
}

impl Rds {
    pub(super) async fn describe_continuous(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let (now, lag) = (self.clock.now(), self.faults.rules_now().lag);
        let (name, identity) = (call.get("DBInstanceIdentifier"), call.get("DbiResourceId"));
        let region = regions.entry(call.region.clone()).or_default();
        let mut found = Vec::new();
        for (known, instance) in &region.instances {
            let asked = (name.is_empty() || known == name) && (identity.is_empty() || instance.identity() == identity);
            let Some(continuous) = instance.continuous.as_ref().filter(|_| asked) else { continue };
            let described = self.moto(&call.region, "DescribeDBInstances", &[("DBInstanceIdentifier", known)]).await?;
            let described = described.find("DBInstance").cloned().unwrap_or_default();
            if described.get("BackupRetentionPeriod") == "0" {
                continue;
            }
            let mut kept = vec![
                Node::new("DBInstanceIdentifier", known),
                Node::new("DbiResourceId", instance.identity()),
                Node::new("Region", &call.region),
                Node::new("Status", "active"),
            ];
            if let Some((from, to)) = window(continuous, &described, now, lag) {
                // What is said here is older than what the instance says of itself.
                let stale = before(to, lag).max(from);
                kept.push(Node::with(
                    "RestoreWindow",
                    vec![Node::new("EarliestTime", &moment(from)), Node::new("LatestTime", &moment(stale))],
                ));
            }
            found.push(Node::with("DBInstanceAutomatedBackup", kept));
        }
        if found.is_empty() && !(name.is_empty() && identity.is_empty()) {
            let message = format!("DBInstanceAutomatedBackup {name}{identity} not found.");
            return Err(Refusal::new("DBInstanceAutomatedBackupNotFound", message).with_status(404));
        }
        let result = Node::with("DescribeDBInstanceAutomatedBackupsResult", vec![Node::with("DBInstanceAutomatedBackups", found)]);
        Ok(Node::with("DescribeDBInstanceAutomatedBackupsResponse", vec![result]))
    }

    pub(super) async fn restore_instance_to_moment(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let (source, name) = (call.get("SourceDBInstanceIdentifier"), call.get("TargetDBInstanceIdentifier"));
        let region = regions.entry(call.region.clone()).or_default();
        let Some(instance) = region.instances.get(source).filter(|instance| !instance.under_way.gone()) else {
            return Err(Refusal::new("DBInstanceNotFound", format!("DBInstance {source} not found.")).with_status(404));
        };
        if region.instances.contains_key(name) {
            return Err(Refusal::new("DBInstanceAlreadyExists", "DB instance already exists"));
        }
        let described = self.moto(&call.region, "DescribeDBInstances", &[("DBInstanceIdentifier", source)]).await?;
        let described = described.find("DBInstance").cloned().unwrap_or_default();
        let until = self.until(call, "RestoreTime", instance.continuous.as_ref(), &described)?;
        self.usable(&described.get("KmsKeyId"))?;
        let server = self.replayed(&instance.server, instance.continuous.as_ref(), until).await?;
        let snapshot = format!("moment-of-{name}");
        let of = [("DBInstanceIdentifier", source), ("DBSnapshotIdentifier", &snapshot)];
        self.moto(&call.region, "CreateDBSnapshot", &of).await?;
        let rename = [("TargetDBInstanceIdentifier", "DBInstanceIdentifier")];
        let asked = from_snapshot(call, "RestoreDBInstanceFromDBSnapshot", &rename, ("DBSnapshotIdentifier", &snapshot));
        let answer = self.begin_restored(region, &asked, name, server).await;
        self.moto(&call.region, "DeleteDBSnapshot", &[("DBSnapshotIdentifier", &snapshot)]).await?;
        renamed(answer?, "DBInstance", "RestoreDBInstanceToPointInTime")
    }

    pub(super) async fn restore_cluster_to_moment(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let (source, name) = (call.get("SourceDBClusterIdentifier"), call.get("DBClusterIdentifier"));
        let region = regions.entry(call.region.clone()).or_default();
        let Some(cluster) = region.clusters.get(source).filter(|cluster| !cluster.under_way.gone()) else {
            return Err(Refusal::new("DBClusterNotFoundFault", format!("DBCluster {source} not found.")).with_status(404));
        };
        if region.clusters.contains_key(name) {
            return Err(Refusal::new("DBClusterAlreadyExistsFault", "DB Cluster already exists"));
        }
        let described = self.moto(&call.region, "DescribeDBClusters", &[("DBClusterIdentifier", source)]).await?;
        let described = described.find("DBCluster").cloned().unwrap_or_default();
        let until = self.until(call, "RestoreToTime", cluster.continuous.as_ref(), &described)?;
        self.usable(&described.get("KmsKeyId"))?;
        let server = self.replayed(&cluster.server, cluster.continuous.as_ref(), until).await?;
        let snapshot = format!("moment-of-{name}");
        let of = [("DBClusterIdentifier", source), ("DBClusterSnapshotIdentifier", &snapshot)];
        self.moto(&call.region, "CreateDBClusterSnapshot", &of).await?;
        let asked = from_snapshot(call, "RestoreDBClusterFromSnapshot", &[], ("SnapshotIdentifier", &snapshot));
        let answer = self.begin_restored_cluster(region, &asked, name, server).await;
        self.moto(&call.region, "DeleteDBClusterSnapshot", &[("DBClusterSnapshotIdentifier", &snapshot)]).await?;
        renamed(answer?, "DBCluster", "RestoreDBClusterToPointInTime")
    }

    /// The end of the moment that is asked for, by the machine's clock.
    fn until(&self, call: &Call, param: &str, kept: Option<&Continuous>, described: &Node) -> Result<Timestamp, Refusal> {
        let now = self.clock.now();
        let window = kept.and_then(|kept| window(kept, described, now, self.faults.rules_now().lag));
        let off = || Refusal::new("PointInTimeRestoreNotEnabled", "The source keeps no backups, or none that could be restored yet.");
        let at = wanted(call, param, window.ok_or_else(off)?)?;
        self.clock.end_of(at).ok_or_else(|| invalid(format!("{} is not over yet", moment(at))))
    }

    /// A server with the data as they were at a moment of the machine's clock.
    async fn replayed(&self, source: &Socket, kept: Option<&Continuous>, until: Timestamp) -> Result<Server, Refusal> {
        let kept = kept.ok_or_else(|| Refusal::new("PointInTimeRestoreNotEnabled", "The source keeps no backups."))?;
        Ok(kept.replayed(source, &self.estates.certificates, until, &[]).await)
    }
}

fn renamed(answer: Node, what: &str, action: &str) -> Result<Node, Refusal> {
    let node = answer.find(what).cloned().unwrap_or_default();
    Ok(Node::with(&format!("{action}Response"), vec![Node::with(&format!("{action}Result"), vec![node])]))
}
