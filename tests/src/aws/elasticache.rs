//! ElastiCache: moto keeps the books. Snapshots take looks to be there, their cache is busy meanwhile, and every shard has a part.

use super::{
    faults::Faults,
    rds::under_way::{End, UnderWay},
    wire::{Call, Refusal, ask_as},
    xml::Node,
};
use crate::s3::KEY_ID;
use lastgood_core::clock::{Clock, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};
use tokio::sync::Mutex;

/// ElastiCache in every region.
pub struct ElastiCache {
    moto: SocketAddr,
    clock: Arc<dyn Clock>,
    faults: Faults,
    regions: Mutex<BTreeMap<String, Region>>,
}

#[derive(Default)]
struct Region {
    snapshots: BTreeMap<String, Snapshot>,
    busy: BTreeMap<String, UnderWay>,
    plain: BTreeSet<String>,
}

struct Snapshot {
    under_way: UnderWay,
    taken: Timestamp,
}

impl Snapshot {
    fn dress(&self, node: &mut Node) {
        node.set(
            "SnapshotStatus",
            if self.under_way.over() && self.under_way.end == End::Available { "available" } else { self.under_way.state() },
        );
        let pending = !self.under_way.over() && self.under_way.end != End::Gone;
        let part = |id: &str, seconds: i64| {
            let at = Timestamp::from_second(self.taken.as_second() + seconds).expect("a moment");
            let mut part = vec![Node::new("NodeGroupId", id), Node::new("CacheSize", "5 MB")];
            // ElastiCache does not know it before the part is there.
            if !pending {
                part.push(Node::new("SnapshotCreateTime", &at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
            }
            Node::with("NodeSnapshot", part)
        };
        node.put(Node::with("NodeSnapshots", vec![part("0001", 0), part("0002", 3)]));
    }
}

impl ElastiCache {
    /// Nothing is there yet.
    pub fn new(moto: SocketAddr, clock: Arc<dyn Clock>, faults: Faults) -> Self {
        Self { moto, clock, faults, regions: Mutex::default() }
    }

    /// Answers a request.
    pub async fn answer(&self, call: &Call) -> Result<Node, Refusal> {
        let mut regions = self.regions.lock().await;
        let region = regions.entry(call.region.clone()).or_default();
        match call.action.as_str() {
            "CreateSnapshot" => self.create(region, call).await,
            "DescribeSnapshots" => self.describe(region, call).await,
            "DeleteSnapshot" => self.delete(region, call).await,
            "DescribeReplicationGroups" => self.groups(region, call).await,
            _ => self.ask(call).await,
        }
    }

    async fn ask(&self, call: &Call) -> Result<Node, Refusal> {
        ask_as(self.moto, call, "elasticache", "2015-02-02").await
    }

    async fn moto(&self, region: &str, action: &str, params: &[(&str, &str)]) -> Result<Node, Refusal> {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (service, key_id) = ("elasticache".to_owned(), KEY_ID.to_owned());
        self.ask(&Call { service, region: region.to_owned(), key_id, action: action.to_owned(), params, besides: None }).await
    }

    async fn create(&self, region: &mut Region, call: &Call) -> Result<Node, Refusal> {
        let (rules, name) = (self.faults.rules_now(), call.get("SnapshotName").to_owned());
        let group = call.get("ReplicationGroupId").to_owned();
        if region.plain.contains(call.get("CacheClusterId")) {
            let message = "Snapshots are not supported for this cache cluster's engine or node type.";
            return Err(Refusal::new("SnapshotFeatureNotSupportedFault", message));
        }
        if !region.snapshots.contains_key(&name) {
            if region.busy.get(&group).is_some_and(|busy| !busy.over()) {
                return Err(Refusal::new("InvalidReplicationGroupState", format!("Replication group {group} is not available")));
            }
            if region.snapshots.len() >= rules.manual_snapshots {
                let message = "The request cannot be processed because it would exceed the maximum number of snapshots.";
                return Err(Refusal::new("SnapshotQuotaExceededFault", message));
            }
            if region.snapshots.len() >= rules.snapshots_a_day {
                let message = "You may create no more than 20 manual snapshots per node in any 24-hour period.";
                return Err(Refusal::new("SnapshotQuotaExceededFault", message));
            }
        }
        let mut answer = self.ask(call).await?;
        let end = if self.faults.takes_a_late_failure() { End::Failed } else { End::Available };
        let snapshot = Snapshot { under_way: UnderWay::new("creating", rules.looks, end), taken: self.clock.now() };
        answer.each("Snapshot", &mut |node| snapshot.dress(node));
        region.snapshots.insert(name, snapshot);
        region.busy.insert(group, UnderWay::new("snapshotting", rules.looks, End::Available));
        Ok(answer)
    }

    async fn describe(&self, region: &mut Region, call: &Call) -> Result<Node, Refusal> {
        let gone: Vec<_> = region.snapshots.iter().filter(|(_, found)| found.under_way.gone()).map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.moto(&call.region, "DeleteSnapshot", &[("SnapshotName", &name)]).await?;
            region.snapshots.remove(&name);
        }
        let most = match call.get("MaxRecords") {
            "" => 50,
            text => text.parse().ok().filter(|most| (20..=50).contains(most)).ok_or_else(|| {
                Refusal::new("InvalidParameterValue", format!("Invalid value {text} for MaxRecords. Must be between 20 and 50"))
            })?,
        };
        let most = self.faults.rules_now().page.min(most);
        let start: usize = call.get("Marker").strip_prefix("page-").and_then(|at| at.parse().ok()).unwrap_or_default();
        let mut whole = call.clone();
        // moto knows the two sources by other names than ElastiCache does.
        whole.params.retain(|name, _| !matches!(name.as_str(), "MaxRecords" | "Marker" | "SnapshotSource"));
        let mut answer = self.ask(&whole).await?;
        let mut next = None;
        if let Some(list) = answer.find_mut("Snapshots") {
            let all = list.children.len();
            list.children = list.children.drain(..).skip(start).take(most).collect();
            next = (start + most < all).then(|| format!("page-{}", start + most));
        }
        if let Some(result) = answer.find_mut("DescribeSnapshotsResult") {
            result.remove("Marker");
            if let Some(next) = next {
                result.set("Marker", &next);
            }
        }
        answer.each("Snapshot", &mut |node| {
            if let Some(snapshot) = region.snapshots.get_mut(&node.get("SnapshotName")) {
                snapshot.dress(node);
                snapshot.under_way.look();
            }
        });
        Ok(answer)
    }

    async fn delete(&self, region: &mut Region, call: &Call) -> Result<Node, Refusal> {
        let name = call.get("SnapshotName");
        let Some(snapshot) = region.snapshots.get_mut(name) else { return self.ask(call).await };
        if !snapshot.under_way.over() {
            return Err(Refusal::new("InvalidSnapshotState", format!("Snapshot {name} is not in the available state")));
        }
        snapshot.under_way = UnderWay::new("deleting", 1, End::Gone);
        let result = Node::with("DeleteSnapshotResult", Vec::new());
        Ok(Node::with("DeleteSnapshotResponse", vec![result]))
    }

    async fn groups(&self, region: &mut Region, call: &Call) -> Result<Node, Refusal> {
        let mut answer = self.ask(call).await?;
        answer.each("ReplicationGroup", &mut |node| {
            if let Some(busy) = region.busy.get_mut(&node.get("ReplicationGroupId")).filter(|busy| !busy.over()) {
                node.set("Status", busy.state());
                busy.look();
            }
        });
        Ok(answer)
    }

    /// Puts a replication group there that has long been running, with two shards and its own snapshots off.
    pub async fn found(&self, region: &str, name: &str, key: &str) {
        let params = [
            ("ReplicationGroupId", name),
            ("ReplicationGroupDescription", "the shop's cache"),
            ("Engine", "redis"),
            ("EngineVersion", "7.1"),
            ("CacheNodeType", "cache.r7g.large"),
            ("NumCacheClusters", "2"),
            ("AtRestEncryptionEnabled", "true"),
            ("TransitEncryptionEnabled", "true"),
            ("KmsKeyId", key),
            ("SnapshotRetentionLimit", "0"),
        ];
        self.moto(region, "CreateReplicationGroup", &params).await.expect("a replication group");
    }

    /// Puts a cache of memcached there, of which there are no snapshots.
    pub async fn plain(&self, region: &str, name: &str) {
        let params = [("CacheClusterId", name), ("Engine", "memcached"), ("CacheNodeType", "cache.t4g.micro"), ("NumCacheNodes", "1")];
        self.moto(region, "CreateCacheCluster", &params).await.expect("a cache");
        self.regions.lock().await.entry(region.to_owned()).or_default().plain.insert(name.to_owned());
    }

    /// Puts a snapshot of somebody else's there.
    pub async fn strangers(&self, region: &str, group: &str, name: &str) {
        self.moto(region, "CreateSnapshot", &[("SnapshotName", name), ("ReplicationGroupId", group)]).await.expect("a snapshot");
    }

    /// The names of all snapshots in a region.
    pub async fn snapshots(&self, region: &str) -> Vec<String> {
        let (service, key_id, action) = ("elasticache".to_owned(), KEY_ID.to_owned(), "DescribeSnapshots".to_owned());
        let call = Call { service, region: region.to_owned(), key_id, action, params: BTreeMap::new(), besides: None };
        let mut found = self.answer(&call).await.expect("snapshots");
        let mut names = Vec::new();
        found.each("SnapshotName", &mut |node| names.push(node.own_text()));
        names
    }
}
