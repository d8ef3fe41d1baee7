//! What RDS's own continuous backups of a source can bring back. A cluster says it itself; of an instance another call does.

use super::{look::Region, seen, source::Source};
use crate::{
    domain::{
        continuous::{Continuous, Window},
        held::{Held, SnapshotName},
    },
    error::Result,
};

/// Looks at them; none where RDS keeps none, or has none to offer yet.
pub(super) async fn of(region: &Region, source: &Source) -> Result<Option<Continuous>> {
    let (from, to) = match source {
        Source::Instance(instance) if instance.backup_retention_period() == Some(0) => return Ok(None),
        Source::Instance(instance) => {
            let from = region.backed_up_since(instance.dbi_resource_id().unwrap_or_default()).await?;
            (seen::moment(from.as_ref()), seen::moment(instance.latest_restorable_time()))
        }
        Source::Cluster(cluster, _) => (seen::moment(cluster.earliest_restorable_time()), seen::moment(cluster.latest_restorable_time())),
    };
    let Some(window) = from.zip(to).and_then(|(from, to)| Window::between(from, to)) else { return Ok(None) };
    let about = source.seen();
    let (name, reference, engine, bytes, encrypted, key) = match source {
        Source::Instance(instance) => (
            instance.db_instance_identifier(),
            instance.db_instance_arn(),
            seen::engine(instance.engine(), instance.engine_version()),
            instance.allocated_storage(),
            instance.storage_encrypted(),
            instance.kms_key_id(),
        ),
        Source::Cluster(cluster, _) => (
            cluster.db_cluster_identifier(),
            cluster.db_cluster_arn(),
            seen::engine(cluster.engine(), cluster.engine_version()),
            cluster.allocated_storage(),
            cluster.storage_encrypted(),
            cluster.kms_key_id(),
        ),
    };
    let held = Held {
        place: region.place.clone(),
        name: SnapshotName(name.unwrap_or_default().to_owned()),
        reference: reference.unwrap_or_default().to_owned(),
        engine,
        bytes: seen::gibibytes(bytes),
        encrypted: encrypted.unwrap_or_default(),
        key: key.map(str::to_owned),
        members: Vec::new(),
        settings: about.settings,
    };
    Ok(Some(Continuous { window, held, identity: about.identity, address: about.address }))
}
