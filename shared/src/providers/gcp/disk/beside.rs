//! Restoring a snapshot for real: a new disk beside the old one, set up as that was. It is attached by a person, who knows what
//! must be stopped first. Nothing that exists is ever changed or removed.

use super::{
    compute::Compute,
    difference,
    error::is_taken,
    labels,
    replicas::{held, made_of},
    wire::Disk,
};
use crate::{
    catalog::Vault,
    clock::Clock,
    config::DiskAt,
    domain::{
        backup::{Expectations, Form, Manifest},
        compare::CheckResult,
    },
    env::Progress,
    error::{Result, conflict, failed, invalid, retry},
    ports::{NewDisk, RestoreTarget},
    providers::{gcp::Google, managed::volumes},
};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

/// A disk is there within seconds to minutes.
const PAUSE: Duration = Duration::from_secs(5);

/// A new disk that an asset is restored into.
pub struct RestoredDisk {
    google: Arc<Google>,
    new: NewDisk,
    clock: Arc<dyn Clock>,
    progress: Arc<dyn Progress>,
}

impl fmt::Debug for RestoredDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestoredDisk").field("new", &self.new).finish_non_exhaustive()
    }
}

impl RestoredDisk {
    /// Restores into a new disk in a zone. Asks nothing yet.
    pub fn new(google: Arc<Google>, new: NewDisk, clock: Arc<dyn Clock>, progress: Arc<dyn Progress>) -> Self {
        Self { google, new, clock, progress }
    }

    fn compute(&self, backup: &Manifest) -> Result<Compute> {
        Compute::new(self.google.clone(), &held(backup)?.0.place, self.clock.clone())
    }

    fn name(&self, backup: &Manifest) -> String {
        self.new.name.clone().unwrap_or_else(|| format!("restored-{}", labels::lower(backup.id)))
    }

    /// The disk that a restore of this very backup made before; a conflict where the name is somebody else's.
    async fn begun(&self, compute: &Compute, backup: &Manifest) -> Result<Option<Disk>> {
        let name = self.name(backup);
        match compute.disk(&DiskAt::Zone(self.new.zone.clone()), &name).await? {
            Some(disk) if labels::restored(&disk.labels) == Some(backup.id) && disk.users.is_empty() => Ok(Some(disk)),
            Some(_) => Err(conflict(format!("there is a disk {name} in {} already", self.new.zone))
                .hint(format!("nothing was touched: name another, such as disk:{}/NAME", self.new.zone))),
            None => Ok(None),
        }
    }

    async fn make(&self, compute: &Compute, backup: &Manifest) -> Result<()> {
        let (held, member) = held(backup)?;
        let recorded = volumes::recorded(&held.settings, &member.of);
        let peoples = recorded.and_then(|settings| settings.get("labels")).cloned().unwrap_or(Value::Null);
        let name = self.name(backup);
        let mut body = made_of(held, member, compute, &self.new.zone);
        body["name"] = name.clone().into();
        body["description"] = format!("Lastgood: restored from backup {} of {}", backup.id, backup.asset).into();
        body["labels"] = json!(labels::of_restored(backup.id, &member.of, &peoples));
        if let Some(mode) = recorded.and_then(|recorded| volumes::text(recorded, "access_mode")) {
            body["accessMode"] = mode.into();
        }
        match compute.make_disk(&self.new.zone, &name, body).await {
            Err(error) if is_taken(&error) => self.begun(compute, backup).await.map(|_| ()),
            made => made,
        }
    }

    /// Waits until the disk is there.
    async fn up(&self, compute: &Compute, backup: &Manifest) -> Result<Disk> {
        loop {
            let disk = self.begun(compute, backup).await?;
            let disk = disk.ok_or_else(|| retry("the new disk is not seen yet").hint("run it again: it goes on with it"))?;
            match disk.status.as_str() {
                "READY" => return Ok(disk),
                "FAILED" => {
                    return Err(failed(format!("Google could not make {} of {}", disk.name, held(backup)?.1.reference))
                        .hint("check the snapshot's key; remove the broken disk by hand"));
                }
                _ => self.clock.sleep(PAUSE).await,
            }
        }
    }
}

#[async_trait]
impl RestoreTarget for RestoredDisk {
    fn form(&self) -> Form {
        Form::Snapshot
    }

    fn address(&self) -> String {
        format!("disk:{}", self.new.zone)
    }

    async fn plan(&self, backup: &Manifest) -> Result<Vec<String>> {
        let (held, member) = held(backup)?;
        if volumes::recorded(&held.settings, &member.of).is_none() {
            return Err(invalid(format!("the manifest does not say how {} was set up", member.of)));
        }
        let compute = self.compute(backup)?;
        let zone = &self.new.zone;
        let first = match self.begun(&compute, backup).await? {
            Some(disk) => format!("go on with {} in {zone}, which this restore made for {} before", disk.name, member.of),
            None => format!("make a new disk {} in {zone} of {}, for {}", self.name(backup), member.reference, member.of),
        };
        Ok(vec![
            first,
            "with the type, size, IOPS, throughput, key and labels that the source had".to_owned(),
            "compare every recorded setting with what it then has; attach nothing".to_owned(),
        ])
    }

    async fn restore(&self, backup: &Manifest, _: &Vault) -> Result<BTreeMap<String, String>> {
        self.plan(backup).await?;
        let compute = self.compute(backup)?;
        let gauge = self.progress.begin(&format!("restoring {} into {}", backup.id, self.address()), None);
        if self.begun(&compute, backup).await?.is_none() {
            self.make(&compute, backup).await?;
        }
        self.up(&compute, backup).await?;
        drop(gauge);
        Ok([("compute".to_owned(), held(backup)?.0.engine.clone())].into())
    }

    async fn measure(&self, _: &Manifest) -> Result<Option<Expectations>> {
        Ok(None)
    }

    async fn set_up(&self, backup: &Manifest) -> Result<Vec<CheckResult>> {
        let (held, member) = held(backup)?;
        difference::checks(member, &held.settings, &self.up(&self.compute(backup)?, backup).await?)
    }

    fn next_steps(&self, backup: &Manifest) -> Vec<String> {
        let Ok((held, member)) = held(backup) else { return Vec::new() };
        let (name, zone, of, project) = (self.name(backup), &self.new.zone, &member.of, held.place.bucket());
        let machine =
            volumes::recorded(&held.settings, of).and_then(|recorded| recorded.get("attached")?.get(0)?.get("instance")?.as_str());
        let machine = machine.unwrap_or("MACHINE");
        vec![
            format!("{name} holds what {of} held at {}", backup.data_time),
            format!(
                "stop what writes to {of}, then: gcloud compute instances detach-disk {machine} --disk {of} --zone {zone} --project {project} \
                 && gcloud compute instances attach-disk {machine} --disk {name} --zone {zone} --project {project}"
            ),
            "check the file system before it is mounted for writing: it is as after a power cut".to_owned(),
            "keep the old disk until nobody needs to look at it any more".to_owned(),
        ]
    }
}
