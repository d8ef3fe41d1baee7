//! Volumes: made of nothing or of a snapshot, there after a while, gone after a while.

use super::{Bytes, Ec2, Regions, Volume};
use crate::aws::{
    rds::under_way::{End, UnderWay},
    wire::{Call, Refusal},
    xml::Node,
};

impl Volume {
    fn dress(&self, node: &mut Node) {
        if !self.under_way.over() {
            node.set("status", self.under_way.state());
        }
        if let Some(key) = &self.key {
            node.set("encrypted", "true");
            node.set("kmsKeyId", key);
        }
    }
}

impl Ec2 {
    pub(super) async fn describe_volumes(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let region = regions.entry(call.region.clone()).or_default();
        let gone: Vec<_> = region.volumes.iter().filter(|(_, volume)| volume.under_way.gone()).map(|(id, _)| id.clone()).collect();
        for id in gone {
            self.moto(&call.region, "DeleteVolume", &[("VolumeId", &id)]).await?;
            region.volumes.remove(&id);
        }
        let mut answer = self.page(call, "volumeSet").await?;
        for node in answer.find_mut("volumeSet").into_iter().flat_map(|set| &mut set.children) {
            if let Some(volume) = region.volumes.get_mut(&node.get("volumeId")) {
                volume.dress(node);
                volume.under_way.look();
            }
        }
        Ok(answer)
    }

    pub(super) async fn create_volume(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let region = regions.entry(call.region.clone()).or_default();
        let (id, token) = (call.get("SnapshotId"), call.get("ClientToken").to_owned());
        if token.len() > 64 {
            return Err(Refusal::new("InvalidParameterValue", "ClientToken is longer than 64 characters"));
        }
        if let Some(made) = region.tokens.get(&token).filter(|_| !token.is_empty()) {
            let found = self.moto(&call.region, "DescribeVolumes", &[("VolumeId.1", made)]).await?;
            let volume = found.find("volumeSet").and_then(|set| set.children.first()).cloned().unwrap_or_default();
            return Ok(Node::with("CreateVolumeResponse", volume.children));
        }
        let mut bytes = Bytes::default();
        let mut key = Some(call.get("KmsKeyId")).filter(|key| !key.is_empty()).map(str::to_owned);
        if !id.is_empty() {
            let missing = || Refusal::new("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist."));
            let snapshot = region.snapshots.get(id).ok_or_else(missing)?;
            if !snapshot.under_way.over() || snapshot.under_way.end != End::Available {
                return Err(Refusal::new("IncorrectState", format!("Snapshot is in invalid state: {id}")));
            }
            bytes = snapshot.bytes.clone();
            key = key.or_else(|| snapshot.key.clone());
        }
        let mut answer = self.ask(call).await?;
        let made = answer.get("volumeId");
        if key.as_deref().is_some_and(|key| self.faults.refuses_key(key)) {
            // EC2 accepts it, and the volume never comes to be.
            self.moto(&call.region, "DeleteVolume", &[("VolumeId", &made)]).await?;
            return Ok(answer);
        }
        let volume = Volume { under_way: UnderWay::new("creating", self.faults.rules_now().looks, End::Available), bytes, key };
        volume.dress(&mut answer);
        region.volumes.insert(made.clone(), volume);
        region.tokens.insert(token, made);
        Ok(answer)
    }

    pub(super) async fn delete_volume(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let id = call.get("VolumeId");
        let described = self.moto(&call.region, "DescribeVolumes", &[("VolumeId.1", id)]).await?;
        let attached = described.find("attachmentSet").is_some_and(|set| !set.children.is_empty());
        let known = regions.get_mut(&call.region).and_then(|region| region.volumes.get_mut(id));
        match known.filter(|_| !attached) {
            Some(volume) => {
                volume.under_way = UnderWay::new("deleting", 1, End::Gone);
                Ok(Node::with("DeleteVolumeResponse", vec![Node::new("return", "true")]))
            }
            None => self.ask(call).await,
        }
    }

    /// Puts a volume there that has long been in use, with these bytes on it. Returns its id.
    pub async fn found(&self, region: &str, size: u64, key: Option<&str>, bytes: Bytes) -> String {
        let size = size.to_string();
        let zone = format!("{region}a");
        let mut params =
            vec![("AvailabilityZone", zone.as_str()), ("Size", &size), ("VolumeType", "gp3"), ("Iops", "4000"), ("Throughput", "250")];
        params.extend([
            ("TagSpecification.1.ResourceType", "volume"),
            ("TagSpecification.1.Tag.1.Key", "environment"),
            ("TagSpecification.1.Tag.1.Value", "production"),
        ]);
        if let Some(key) = key {
            params.extend([("Encrypted", "true"), ("KmsKeyId", key)]);
        }
        let id = self.moto(region, "CreateVolume", &params).await.expect("a volume").get("volumeId");
        let volume = Volume { under_way: UnderWay::new("available", 0, End::Available), bytes, key: key.map(str::to_owned) };
        self.regions.lock().await.entry(region.to_owned()).or_default().volumes.insert(id.clone(), volume);
        id
    }

    /// Starts a machine from a volume with these bytes on it, and attaches others. Returns its id and that volume's.
    pub async fn machine(&self, region: &str, bytes: Bytes, volumes: &[&str]) -> (String, String) {
        let run = [("ImageId", "ami-12c6146b"), ("MinCount", "1"), ("MaxCount", "1"), ("InstanceType", "t3.micro")];
        let zone = format!("{region}a");
        let run: Vec<_> = run.into_iter().chain([("Placement.AvailabilityZone", zone.as_str())]).collect();
        let machine = self.moto(region, "RunInstances", &run).await.expect("a machine");
        let machine = machine.find("instanceId").expect("its id").own_text();
        for (number, volume) in volumes.iter().enumerate() {
            let device = format!("/dev/sd{}", char::from(b'f' + u8::try_from(number).expect("few")));
            let attach = [("VolumeId", *volume), ("InstanceId", machine.as_str()), ("Device", device.as_str())];
            self.moto(region, "AttachVolume", &attach).await.expect("an attachment");
        }
        let by = [("Filter.1.Name", "attachment.instance-id"), ("Filter.1.Value.1", machine.as_str())];
        let found = self.moto(region, "DescribeVolumes", &by).await.expect("volumes");
        let all = found.find("volumeSet").into_iter().flat_map(|set| &set.children).map(|node| node.get("volumeId"));
        let root = all.into_iter().find(|id| !volumes.contains(&id.as_str())).expect("the volume that it starts from");
        let volume = Volume { under_way: UnderWay::new("in-use", 0, End::Available), bytes, key: None };
        self.regions.lock().await.entry(region.to_owned()).or_default().volumes.insert(root.clone(), volume);
        (machine, root)
    }

    /// Attaches a volume to a machine, as somebody would who takes it into use.
    pub async fn attach(&self, region: &str, volume: &str, machine: &str) {
        let attach = [("VolumeId", volume), ("InstanceId", machine), ("Device", "/dev/sdz")];
        self.moto(region, "AttachVolume", &attach).await.expect("an attachment");
    }

    /// The ids of all volumes in a region, as EC2 itself says.
    pub async fn volumes(&self, region: &str) -> Vec<String> {
        let mut regions = self.regions.lock().await;
        let (service, key_id, action) = ("ec2".to_owned(), crate::s3::KEY_ID.to_owned(), "DescribeVolumes".to_owned());
        let call = Call { service, region: region.to_owned(), key_id, action, params: Default::default(), besides: None };
        let found = self.describe_volumes(&mut regions, &call).await.expect("volumes");
        found.find("volumeSet").into_iter().flat_map(|set| &set.children).map(|node| node.get("volumeId")).collect()
    }
}
