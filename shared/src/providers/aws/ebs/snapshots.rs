//! The snapshots of one volume, or of all of an instance's, in one region: taken, copied to, seen and let go.

use super::{
    copy::Copy,
    error::is_absent,
    region::{Region, tagged, with},
    set, source,
    wire::{Begun, Snapshot, Snapshots as Several},
};
use crate::{
    clock::Clock,
    config::{Asset, Copies, Source, Volumes},
    domain::{
        held::{Held, Label, SnapshotName, SnapshotSeen},
        place::Place,
        posture::Posture,
    },
    error::{Result, conflict, invalid, refused},
    id::AssetName,
    ports::{Snapshots, SourceSeen},
    providers::aws::{Aws, keys, marks},
};
use async_trait::async_trait;
use std::{collections::BTreeMap, sync::Arc};

/// The snapshots of an asset of kind volume at one place.
#[derive(Debug)]
pub struct EbsSnapshots {
    aws: Arc<Aws>,
    asset: AssetName,
    of: Volumes,
    home: Place,
    here: Region,
    key: Option<String>,
    clock: Arc<dyn Clock>,
}

impl EbsSnapshots {
    /// Opens the snapshots of an asset in its own region, or where copies of them are. Asks nothing yet.
    pub async fn open(aws: Arc<Aws>, asset: &Asset, at: &Place, clock: Arc<dyn Clock>) -> Result<Self> {
        let Source::Volume { of, place: home, .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}, not a volume of Amazon's", asset.name, asset.source.kind())));
        };
        let key = asset.policy.copies.iter().find_map(|copies| match copies {
            Copies::Region { place, kms_key, .. } if place == at => kms_key.clone(),
            Copies::Region { .. } | Copies::Vault { .. } => None,
        });
        let here = Region::open(&aws, at).await?;
        let (asset, of, home) = (asset.name.clone(), of.clone(), home.clone());
        Ok(Self { aws, asset, of, home, here, key, clock })
    }

    fn at_home(&self) -> Result<()> {
        if self.here.place == self.home {
            return Ok(());
        }
        Err(invalid(format!("{} is at {}, not at {}", self.asset, self.home, self.here.place)))
    }

    /// Everything here that bears the name.
    async fn named(&self, name: &SnapshotName) -> Result<Vec<Snapshot>> {
        self.here.snapshots(&[(marks::BY_NAME, &name.0)]).await
    }

    /// Looks for what bears a label's name: true where it is there already, a conflict where it is a stranger's.
    fn adopted(&self, label: &Label, found: &[Snapshot]) -> Result<bool> {
        match set::seen(&self.here.place, &self.asset, &label.name, found, self.clock.now()) {
            None => Ok(false),
            Some(seen) if seen.backup == Some(label.backup) => {
                tracing::info!(asset = %self.asset, backup = %label.backup, "snapshot {} was begun before and is adopted", label.name);
                Ok(true)
            }
            Some(_) => Err(conflict(format!("a snapshot named {} at {} is not of this run", label.name, self.here.place))
                .hint("nothing was touched: find out whose it is and give it another name")),
        }
    }
}

#[async_trait]
impl Snapshots for EbsSnapshots {
    fn place(&self) -> &Place {
        &self.here.place
    }

    async fn source(&self) -> Result<SourceSeen> {
        self.at_home()?;
        Ok(source::seen(&self.of, &source::volumes(&self.here, &self.of).await?))
    }

    async fn posture(&self) -> Result<Option<Posture>> {
        if self.here.place != self.home {
            return Ok(None);
        }
        let mut posture = Posture::default();
        for volume in source::volumes(&self.here, &self.of).await? {
            if let Some(name) = volume.kms_key_id.filter(|name| volume.encrypted && !name.is_empty()) {
                let key = keys::look(&self.here.config, &self.here.place, &name).await?;
                if posture.key.as_ref().is_none_or(|known| known.unusable.is_none()) {
                    posture.key = Some(key);
                }
            }
        }
        Ok(Some(posture))
    }

    async fn begin_snapshot(&self, label: &Label) -> Result<()> {
        self.at_home()?;
        if self.adopted(label, &self.named(&label.name).await?)? {
            return Ok(());
        }
        let describe = with("Description", format!("Lastgood: backup {} of {}", label.backup, label.asset));
        let begun: Vec<String> = match &self.of {
            Volumes::One { volume } => {
                let mut ask = vec![with("VolumeId", volume), describe];
                ask.extend(tagged("snapshot", &marks::of_part(label, 1)));
                let begun: Begun = self.here.order("ec2:CreateSnapshot", volume, &ask).await?;
                begun.snapshot_id.into_iter().collect()
            }
            Volumes::Attached { instance } => {
                let members = source::volumes(&self.here, &self.of).await?.len();
                let mut ask = vec![with("InstanceSpecification.InstanceId", instance), describe];
                ask.push(with("InstanceSpecification.ExcludeBootVolume", "false"));
                ask.extend(tagged("snapshot", &marks::of_part(label, members)));
                let begun: Several = self.here.order("ec2:CreateSnapshots", instance, &ask).await?;
                begun.snapshot_set.item.into_iter().map(|part| part.snapshot_id).collect()
            }
        };
        let ids = begun.join(", ");
        tracing::info!(asset = %self.asset, backup = %label.backup, "snapshot {} begins at {}: {ids}", label.name, self.here.place);
        Ok(())
    }

    async fn begin_copy(&self, label: &Label, of: &Held) -> Result<()> {
        let found = self.named(&label.name).await?;
        self.adopted(label, &found)?;
        let from = Region::open(&self.aws, &of.place).await?;
        let copy = Copy { here: &self.here, from: &from, key: self.key.as_deref(), label, of, now: self.clock.now() };
        let ours = found.iter().filter(|part| marks::backup(&part.tags(), &self.asset) == Some(label.backup));
        copy.begin(&ours.map(set::volume).collect()).await
    }

    async fn snapshot(&self, name: &SnapshotName) -> Result<Option<SnapshotSeen>> {
        Ok(set::seen(&self.here.place, &self.asset, name, &self.named(name).await?, self.clock.now()))
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotSeen>> {
        let mut sets: BTreeMap<SnapshotName, Vec<Snapshot>> = BTreeMap::new();
        for part in self.here.snapshots(&[(marks::BY_ASSET, self.asset.as_str())]).await? {
            if let Some(name) = part.tags().get(marks::NAME) {
                sets.entry(SnapshotName(name.clone())).or_default().push(part);
            }
        }
        let (place, now) = (&self.here.place, self.clock.now());
        let seen = sets.iter().filter_map(|(name, parts)| set::seen(place, &self.asset, name, parts, now));
        Ok(seen.filter(|seen| seen.backup.is_some()).collect())
    }

    async fn begin_removal(&self, name: &SnapshotName) -> Result<()> {
        let found = self.named(name).await?;
        if !found.is_empty() && found.iter().all(|part| marks::backup(&part.tags(), &self.asset).is_none()) {
            return Err(refused(format!("snapshot {name} at {} does not bear the tags of {}", self.here.place, self.asset))
                .hint("it is not ours and was not touched: remove it by hand if nobody needs it"));
        }
        for part in found.iter().filter(|part| marks::backup(&part.tags(), &self.asset).is_some()) {
            let id = &part.snapshot_id;
            match self.here.ask("ec2:DeleteSnapshot", &vec![with("SnapshotId", id)]).await {
                Ok(_) => tracing::info!(asset = %self.asset, "snapshot {id} of {name} at {} is removed", self.here.place),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(self.here.told("ec2:DeleteSnapshot", id, &error)),
            }
        }
        Ok(())
    }
}
