//! EBS: moto keeps the books, this layer keeps the truth. Snapshots and volumes take looks to be there, a copy fails after it
//! was accepted, and behind every volume are real bytes: a snapshot freezes them, a copy carries them, a new volume bears them.

mod blocks;
mod snapshots;
mod volumes;

use super::{
    faults::Faults,
    rds::under_way::UnderWay,
    wire::{Call, Refusal, ask_as},
    xml::Node,
};
use crate::s3::KEY_ID;
use lastgood_core::clock::{Clock, Timestamp};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};
use tokio::sync::Mutex;

pub use blocks::Bytes;

/// EBS in every region.
pub struct Ec2 {
    moto: SocketAddr,
    clock: Arc<dyn Clock>,
    faults: Faults,
    regions: Mutex<Regions>,
}

type Regions = BTreeMap<String, Region>;

/// What this layer knows of a region.
#[derive(Default)]
struct Region {
    volumes: BTreeMap<String, Volume>,
    snapshots: BTreeMap<String, Snapshot>,
    /// Volumes by the token that made them.
    tokens: BTreeMap<String, String>,
}

/// A volume, as far as moto does not know it.
struct Volume {
    under_way: UnderWay,
    bytes: Bytes,
    key: Option<String>,
}

/// A snapshot, as far as moto does not know it.
#[derive(Clone)]
struct Snapshot {
    under_way: UnderWay,
    bytes: Bytes,
    key: Option<String>,
    began: Timestamp,
    is_copy: bool,
    message: &'static str,
}

impl Ec2 {
    /// Nothing is there yet.
    pub fn new(moto: SocketAddr, clock: Arc<dyn Clock>, faults: Faults) -> Self {
        Self { moto, clock, faults, regions: Mutex::default() }
    }

    /// Answers a request. One at a time: what it decides on stands still meanwhile.
    pub async fn answer(&self, call: &Call) -> Result<Node, Refusal> {
        let mut regions = self.regions.lock().await;
        match call.action.as_str() {
            "CreateSnapshot" => self.create_snapshot(&mut regions, call).await,
            "CreateSnapshots" => self.create_snapshots(&mut regions, call).await,
            "CopySnapshot" => self.copy_snapshot(&mut regions, call).await,
            "DescribeSnapshots" => self.describe_snapshots(&mut regions, call).await,
            "DeleteSnapshot" => self.delete_snapshot(&mut regions, call).await,
            "ModifySnapshotAttribute" => self.share_snapshot(&regions, call).await,
            "DescribeVolumes" => self.describe_volumes(&mut regions, call).await,
            "CreateVolume" => self.create_volume(&mut regions, call).await,
            "DeleteVolume" => self.delete_volume(&mut regions, call).await,
            _ => self.ask(call).await,
        }
    }

    async fn ask(&self, call: &Call) -> Result<Node, Refusal> {
        ask_as(self.moto, call, "ec2", "2016-11-15").await
    }

    /// Asks moto in a region, on behalf of nobody in particular.
    async fn moto(&self, region: &str, action: &str, params: &[(&str, &str)]) -> Result<Node, Refusal> {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (service, key_id) = ("ec2".to_owned(), KEY_ID.to_owned());
        self.ask(&Call { service, region: region.to_owned(), key_id, action: action.to_owned(), params, besides: None }).await
    }

    /// Asks moto for everything and returns the page that was asked for.
    async fn page(&self, call: &Call, list: &str) -> Result<Node, Refusal> {
        let wrong = |what: String| Refusal::new("InvalidParameterValue", what);
        let most = match call.get("MaxResults") {
            "" => 1000,
            text => text.parse().ok().filter(|most| (5..=1000).contains(most)).ok_or_else(|| wrong(format!("MaxResults {text}")))?,
        };
        let most = self.faults.rules_now().page.min(most);
        let start: usize = match call.get("NextToken") {
            "" => 0,
            token => token.strip_prefix("page-").and_then(|at| at.parse().ok()).ok_or_else(|| wrong("NextToken".to_owned()))?,
        };
        let mut whole = call.clone();
        whole.params.retain(|name, _| !matches!(name.as_str(), "MaxResults" | "NextToken"));
        let mut answer = self.ask(&whole).await?;
        if let Some(found) = answer.find_mut(list) {
            let all = found.children.len();
            found.children = found.children.drain(..).skip(start).take(most).collect();
            if start + most < all {
                answer.set("nextToken", &format!("page-{}", start + most));
            }
        }
        Ok(answer)
    }

    /// How many snapshots there are in a region, but for those that moto comes with.
    pub async fn snapshots(&self, region: &str) -> usize {
        self.regions.lock().await.get(region).map_or(0, |region| region.snapshots.len())
    }

    /// Somebody removes a snapshot.
    pub async fn lose(&self, region: &str, snapshot: &str) {
        self.moto(region, "DeleteSnapshot", &[("SnapshotId", snapshot)]).await.expect("it was there");
        self.regions.lock().await.entry(region.to_owned()).or_default().snapshots.remove(snapshot);
    }

    /// Puts a snapshot of somebody else's there, which bears a name and nothing else.
    pub async fn strangers(&self, region: &str, volume: &str, name: &str) {
        let params = [
            ("VolumeId", volume),
            ("TagSpecification.1.ResourceType", "snapshot"),
            ("TagSpecification.1.Tag.1.Key", "Name"),
            ("TagSpecification.1.Tag.1.Value", name),
        ];
        self.moto(region, "CreateSnapshot", &params).await.expect("a snapshot");
    }
}

/// A moment as EC2 writes it.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
