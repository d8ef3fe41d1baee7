//! The volumes that an asset is, as they are now.

use super::{region::Region, settings, wire::Volume};
use crate::{
    config::Volumes,
    error::{Result, not_found},
    ports::{Readiness, SourceSeen},
};

/// Looks at one volume, or at all that are attached to an instance, in the order of their ids.
pub(super) async fn volumes(region: &Region, of: &Volumes) -> Result<Vec<Volume>> {
    let by = match of {
        Volumes::One { volume } => ("volume-id", volume.as_str()),
        Volumes::Attached { instance } => ("attachment.instance-id", instance.as_str()),
    };
    let mut found = region.volumes(&[by]).await?;
    found.sort_by(|left, right| left.volume_id.cmp(&right.volume_id));
    if found.is_empty() {
        let what = match of {
            Volumes::One { volume } => format!("there is no volume {volume} at {}", region.place),
            Volumes::Attached { instance } => format!("no volume at {} is attached to {instance}", region.place),
        };
        let hint = "check the id and the `region` of this asset; snapshots that were taken stay where they are";
        return Err(not_found(what).hint(hint));
    }
    Ok(found)
}

/// What is seen of them.
pub(super) fn seen(of: &Volumes, volumes: &[Volume]) -> SourceSeen {
    let identity = match of {
        Volumes::One { volume } => volume,
        Volumes::Attached { instance } => instance,
    };
    SourceSeen { readiness: readiness(volumes), address: String::new(), identity: identity.clone(), settings: settings::of(volumes) }
}

/// A snapshot can begin of volumes in use and of those at rest.
fn readiness(volumes: &[Volume]) -> Readiness {
    let standing = |volume: &Volume| match volume.status.as_str() {
        "in-use" | "available" => Readiness::Ready,
        "creating" | "" => Readiness::Busy(format!("{} being created", volume.volume_id)),
        other => Readiness::Unfit(format!("{} {other}", volume.volume_id)),
    };
    let standings: Vec<_> = volumes.iter().map(standing).collect();
    let worst = standings.iter().find(|standing| matches!(standing, Readiness::Unfit(_)));
    worst.or_else(|| standings.iter().find(|standing| **standing != Readiness::Ready)).cloned().unwrap_or(Readiness::Ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_set_must_be_fit() {
        let volume = |id: &str, status: &str| -> Volume {
            quick_xml::de::from_str(&format!("<item><volumeId>{id}</volumeId><status>{status}</status></item>")).unwrap()
        };
        assert_eq!(readiness(&[volume("vol-1", "in-use"), volume("vol-2", "available")]), Readiness::Ready);
        assert_eq!(readiness(&[volume("vol-1", "in-use"), volume("vol-2", "creating")]), Readiness::Busy("vol-2 being created".into()));
        let broken = [volume("vol-1", "creating"), volume("vol-2", "error")];
        assert_eq!(readiness(&broken), Readiness::Unfit("vol-2 error".into()), "what is broken is told before what is busy");
    }
}
