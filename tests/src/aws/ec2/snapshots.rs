//! Snapshots: begun at once, there later, and sometimes in error after all was accepted.

use super::{Bytes, Ec2, Regions, Snapshot, moment};
use crate::aws::{
    faults::SetFault,
    rds::under_way::{End, UnderWay},
    wire::{Call, Refusal},
    xml::Node,
};
use lastgood_core::clock::after;
use std::time::Duration;

/// What EC2 shows as the volume of a copy: none of anybody's.
const ARBITRARY: &str = "vol-ffffffff";

impl Snapshot {
    fn dress(&self, node: &mut Node) {
        let state = match (self.under_way.over(), self.under_way.end) {
            (false, _) => "pending",
            (true, End::Failed) => "error",
            (true, End::Available | End::Gone) => "completed",
        };
        node.set("status", state);
        node.set("progress", if self.under_way.over() { "100%" } else { "40%" });
        node.set("startTime", &moment(self.began));
        if state == "error" {
            node.set("statusMessage", self.message);
        }
        if let Some(key) = &self.key {
            node.set("encrypted", "true");
            node.set("kmsKeyId", key);
        }
        if self.is_copy {
            node.set("volumeId", ARBITRARY);
        }
    }
}

impl Ec2 {
    fn begin(&self, bytes: Bytes, key: Option<String>) -> Snapshot {
        let end = if self.faults.takes_a_late_failure() { End::Failed } else { End::Available };
        let under_way = UnderWay::new("pending", self.faults.rules_now().looks, end);
        Snapshot { under_way, bytes, key, began: self.clock.now(), is_copy: false, message: "Internal error" }
    }

    fn room(&self, regions: &Regions, region: &str) -> Result<(), Refusal> {
        let (most, held) = (self.faults.rules_now().manual_snapshots, regions.get(region).map_or(0, |region| region.snapshots.len()));
        let full = || Refusal::new("SnapshotLimitExceeded", format!("The maximum number of snapshots has been reached: {most}"));
        if held < most { Ok(()) } else { Err(full()) }
    }

    pub(super) async fn create_snapshot(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        self.room(regions, &call.region)?;
        let mut answer = self.ask(call).await?;
        let region = regions.entry(call.region.clone()).or_default();
        let (bytes, key) = region.volumes.get(call.get("VolumeId")).map_or_else(Default::default, |of| (of.bytes.clone(), of.key.clone()));
        let snapshot = self.begin(bytes, key);
        snapshot.dress(&mut answer);
        region.snapshots.insert(answer.get("snapshotId"), snapshot);
        Ok(answer)
    }

    pub(super) async fn create_snapshots(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        self.room(regions, &call.region)?;
        let fault = self.faults.set_fault();
        let mut answer = self.ask(call).await?;
        let region = regions.entry(call.region.clone()).or_default();
        let mut left_out = None;
        for (number, node) in answer.find_mut("snapshotSet").into_iter().flat_map(|set| &mut set.children).enumerate() {
            let of = region.volumes.get(&node.get("volumeId"));
            let (bytes, key) = of.map_or_else(Default::default, |of| (of.bytes.clone(), of.key.clone()));
            let mut snapshot = self.begin(bytes, key);
            if fault == Some(SetFault::Apart) {
                snapshot.began = after(snapshot.began, Duration::from_secs(7) * u32::try_from(number).expect("few"));
            }
            if fault == Some(SetFault::Short) && number == 0 {
                left_out = Some(node.get("snapshotId"));
            }
            snapshot.dress(node);
            region.snapshots.insert(node.get("snapshotId"), snapshot);
        }
        if let Some(id) = left_out {
            region.snapshots.remove(&id);
            self.moto(&call.region, "DeleteSnapshot", &[("SnapshotId", &id)]).await?;
        }
        Ok(answer)
    }

    pub(super) async fn copy_snapshot(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let (from, id, key) = (call.get("SourceRegion"), call.get("SourceSnapshotId"), call.get("KmsKeyId"));
        let original = regions.get(from).and_then(|region| region.snapshots.get(id)).cloned();
        let original = original.ok_or_else(|| Refusal::new("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist.")))?;
        if !original.under_way.over() || original.under_way.end != End::Available {
            return Err(Refusal::new("IncorrectState", format!("Snapshot {id} is not completed")));
        }
        let copying = regions.get(&call.region).into_iter().flat_map(|region| region.snapshots.values());
        let copying = copying.filter(|snapshot| snapshot.is_copy && !snapshot.under_way.over()).count();
        if copying >= self.faults.rules_now().copies_at_once {
            return Err(Refusal::new(
                "ResourceLimitExceeded",
                "Too many snapshot copies in progress. The limit is 20 for this destination region.",
            ));
        }
        if original.key.is_some() && from != call.region {
            permitted(call, from)?;
        }
        if key.is_empty() && original.key.is_none() && call.get("Encrypted") == "true" {
            return Err(Refusal::new("InvalidParameterCombination", "a default key must be named here"));
        }
        self.room(regions, &call.region)?;
        let answer = self.ask(call).await?;
        let encrypted = Some(key).filter(|key| !key.is_empty()).map(str::to_owned).or_else(|| original.key.clone());
        let mut copy = Snapshot { is_copy: true, ..self.begin(original.bytes, encrypted) };
        if self.faults.refuses_key(key) || original.key.is_some_and(|key| self.faults.refuses_key(&key)) {
            // What is wrong with a key shows only after the copy was accepted.
            copy.under_way.end = End::Failed;
            copy.message = "Given key ID is not accessible";
        }
        regions.entry(call.region.clone()).or_default().snapshots.insert(answer.get("snapshotId"), copy);
        Ok(answer)
    }

    pub(super) async fn describe_snapshots(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        if call.get("Owner.1") != "self" {
            return Err(Refusal::new("InvalidParameterValue", "whoever does not say whose gets everybody's"));
        }
        let mut answer = self.page(call, "snapshotSet").await?;
        let region = regions.entry(call.region.clone()).or_default();
        for node in answer.find_mut("snapshotSet").into_iter().flat_map(|set| &mut set.children) {
            if let Some(snapshot) = region.snapshots.get_mut(&node.get("snapshotId")) {
                snapshot.dress(node);
                snapshot.under_way.look();
            }
        }
        Ok(answer)
    }

    pub(super) async fn delete_snapshot(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let answer = self.ask(call).await?;
        regions.entry(call.region.clone()).or_default().snapshots.remove(call.get("SnapshotId"));
        Ok(answer)
    }

    /// A snapshot under Amazon's own key is for nobody else.
    pub(super) async fn share_snapshot(&self, regions: &Regions, call: &Call) -> Result<Node, Refusal> {
        let shared = regions.get(&call.region).and_then(|region| region.snapshots.get(call.get("SnapshotId")));
        if shared.and_then(|snapshot| snapshot.key.as_deref()).is_some_and(|key| key.ends_with("alias/aws/ebs")) {
            return Err(Refusal::new("OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared"));
        }
        self.ask(call).await
    }
}

/// A copy of what is encrypted out of another region carries a request that is signed for that region.
fn permitted(call: &Call, from: &str) -> Result<(), Refusal> {
    let url = call.get("PresignedUrl");
    let wanted = [
        format!("https://ec2.{from}.amazonaws.com/?"),
        "Action=CopySnapshot".to_owned(),
        format!("SourceSnapshotId={}", call.get("SourceSnapshotId")),
        format!("DestinationRegion={}", call.region),
        format!("%2F{from}%2Fec2%2Faws4_request"),
        "X-Amz-Signature=".to_owned(),
    ];
    match wanted.iter().find(|part| !url.contains(part.as_str())) {
        None => Ok(()),
        Some(part) => Err(Refusal::new("InvalidParameterValue", format!("Value for parameter PresignedUrl is invalid: it lacks {part}"))),
    }
}
