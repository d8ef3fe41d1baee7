//! Restoring a snapshot for real: new volumes beside the old ones, set up as those were. They are attached by a person, who
//! knows what must be stopped first. Nothing that exists is ever changed or removed.

use super::{
    difference,
    region::{Region, tagged, with},
    replicas::{held, made_of},
    wire::{Begun, Volume},
};
use crate::{
    catalog::Vault,
    clock::Clock,
    domain::{
        backup::{Expectations, Form, Manifest},
        compare::CheckResult,
        held::Member,
    },
    env::Progress,
    error::{Result, failed, invalid, retry},
    ports::{NewVolume, RestoreTarget},
    providers::{
        aws::{Aws, marks},
        managed::volumes,
    },
};
use async_trait::async_trait;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// A volume is there within seconds.
const PAUSE: Duration = Duration::from_secs(5);

/// New volumes that an asset is restored into.
pub struct EbsVolume {
    aws: Arc<Aws>,
    new: NewVolume,
    clock: Arc<dyn Clock>,
    progress: Arc<dyn Progress>,
    /// Which volume stands for which, once they are there.
    made: OnceLock<BTreeMap<String, String>>,
}

impl fmt::Debug for EbsVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EbsVolume").field("new", &self.new).finish_non_exhaustive()
    }
}

impl EbsVolume {
    /// Restores into new volumes in a zone. Asks nothing yet.
    pub fn new(aws: Arc<Aws>, new: NewVolume, clock: Arc<dyn Clock>, progress: Arc<dyn Progress>) -> Self {
        Self { aws, new, clock, progress, made: OnceLock::new() }
    }

    async fn region(&self, backup: &Manifest) -> Result<Region> {
        Region::open(&self.aws, &held(backup)?.place).await
    }

    /// The volumes that a restore of this very backup made before, in this zone.
    async fn begun(&self, region: &Region, backup: &Manifest) -> Result<Vec<Volume>> {
        let mut found = region.volumes(&[(marks::BY_RESTORED, &backup.id.to_string())]).await?;
        found.retain(|volume| {
            marks::restored(&volume.tags()) == Some(backup.id)
                && volume.availability_zone.as_deref() == Some(&self.new.zone)
                && volume.attachment_set.item.is_empty()
        });
        Ok(found)
    }

    async fn make(&self, region: &Region, backup: &Manifest, member: &Member) -> Result<()> {
        let held = held(backup)?;
        let recorded = volumes::recorded(&held.settings, &member.of);
        let tags = recorded.and_then(|settings| settings.get("tags")).cloned().unwrap_or(Value::Null);
        // Restored again, while the first is attached, it is another volume: the moment tells the two apart.
        let token = format!("{} {} {}", backup.id, member.of, self.clock.now());
        let mut ask = made_of(held, member, &self.new.zone, &token);
        if recorded.and_then(|settings| settings.get("multi_attach")) == Some(&Value::Bool(true)) {
            ask.push(with("MultiAttachEnabled", "true"));
        }
        ask.extend(tagged("volume", &marks::of_restored(backup.id, &member.of, &tags)));
        let made: Begun = region.ask_for("ec2:CreateVolume", &member.reference, &ask).await?;
        tracing::info!(asset = %backup.asset, backup = %backup.id, "volume {} is made", made.volume_id.unwrap_or_default());
        Ok(())
    }

    /// Waits until every volume is there.
    async fn up(&self, region: &Region, backup: &Manifest) -> Result<Vec<Volume>> {
        let members = &held(backup)?.members;
        loop {
            let volumes = self.begun(region, backup).await?;
            if let Some(broken) = volumes.iter().find(|volume| volume.status == "error") {
                return Err(failed(format!("EBS could not make {} of {}", broken.volume_id, held(backup)?.reference))
                    .hint("check the snapshot's key; remove the broken volume by hand"));
            }
            if volumes.is_empty() {
                return Err(retry("the new volumes are not seen yet").hint("run it again: it goes on with them"));
            }
            let stands = |member: &&Member| volumes.iter().any(|volume| stands_for(volume, member) && volume.status == "available");
            if members.iter().filter(stands).count() == members.len() {
                return Ok(volumes);
            }
            self.clock.sleep(PAUSE).await;
        }
    }

    /// Where a volume was attached: the instance and the device.
    fn was_attached(backup: &Manifest, of: &str) -> Option<(String, String)> {
        let recorded = volumes::recorded(&backup.held.as_ref()?.settings, of)?;
        let at = recorded.get("attached")?.get(0)?;
        Some((at.get("instance")?.as_str()?.to_owned(), at.get("device")?.as_str()?.to_owned()))
    }
}

fn stands_for(volume: &Volume, member: &Member) -> bool {
    marks::volume(&volume.tags()) == Some(&member.of)
}

#[async_trait]
impl RestoreTarget for EbsVolume {
    fn form(&self) -> Form {
        Form::Snapshot
    }

    fn address(&self) -> String {
        format!("ebs:{}", self.new.zone)
    }

    async fn plan(&self, backup: &Manifest) -> Result<Vec<String>> {
        let held = held(backup)?;
        if !self.new.zone.starts_with(held.place.bucket()) {
            return Err(invalid(format!("the snapshot is held at {}, and {} is no zone of it", held.place, self.new.zone))
                .hint("name a zone of that region, or restore the copy of another region with --from"));
        }
        if let Some(member) = held.members.iter().find(|member| volumes::recorded(&held.settings, &member.of).is_none()) {
            return Err(invalid(format!("the manifest does not say how {} was set up", member.of)));
        }
        let region = self.region(backup).await?;
        let begun = self.begun(&region, backup).await?;
        let mut steps: Vec<_> = held
            .members
            .iter()
            .map(|member| match begun.iter().find(|volume| stands_for(volume, member)) {
                Some(volume) => format!("go on with {}, which this restore made for {} before", volume.volume_id, member.of),
                None => format!("make a new volume of {} in {}, for {}", member.reference, self.new.zone, member.of),
            })
            .collect();
        steps.push("with the type, size, IOPS, throughput, encryption and tags that the source had".to_owned());
        steps.push("compare every recorded setting with what it then has; attach nothing".to_owned());
        Ok(steps)
    }

    async fn restore(&self, backup: &Manifest, _: &Vault) -> Result<BTreeMap<String, String>> {
        self.plan(backup).await?;
        let region = self.region(backup).await?;
        let gauge = self.progress.begin(&format!("restoring {} into {}", backup.id, self.address()), None);
        let begun = self.begun(&region, backup).await?;
        for member in held(backup)?.members.iter().filter(|member| !begun.iter().any(|volume| stands_for(volume, member))) {
            self.make(&region, backup, member).await?;
        }
        let volumes = self.up(&region, backup).await?;
        drop(gauge);
        let made = volumes.iter().map(|volume| (marks::volume(&volume.tags()).unwrap_or_default().to_owned(), volume.volume_id.clone()));
        let _ = self.made.set(made.collect());
        Ok([("ebs".to_owned(), held(backup)?.engine.clone())].into())
    }

    async fn measure(&self, _: &Manifest) -> Result<Option<Expectations>> {
        Ok(None)
    }

    async fn set_up(&self, backup: &Manifest) -> Result<Vec<CheckResult>> {
        let held = held(backup)?;
        let region = self.region(backup).await?;
        difference::checks(&held.members, &held.settings, &self.up(&region, backup).await?)
    }

    fn next_steps(&self, backup: &Manifest) -> Vec<String> {
        let mut steps = Vec::new();
        for (of, id) in self.made.get().into_iter().flatten() {
            steps.push(format!("{id} holds what {of} held at {}", backup.data_time));
            let (instance, device) = Self::was_attached(backup, of).unwrap_or_else(|| ("INSTANCE".to_owned(), "DEVICE".to_owned()));
            steps.push(format!(
                "stop what writes to {of}, then: aws ec2 detach-volume --volume-id {of} && aws ec2 attach-volume --volume-id {id} --instance-id {instance} --device {device}"
            ));
        }
        steps.push("check the file system before it is mounted for writing: it is as after a power cut".to_owned());
        steps.push("blocks are fetched on first touch: read what must be fast once (`dd if=DEVICE of=/dev/null bs=1M`)".to_owned());
        steps.push("keep the old volumes until nobody needs to look at them any more".to_owned());
        steps
    }
}
