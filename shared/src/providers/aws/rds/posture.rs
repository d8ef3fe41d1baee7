//! How RDS keeps an instance or cluster: its own backups, protection, key, and how many snapshots may still be taken.

use super::{directory::Shown, look::Region, seen::moment, source::Source};
use crate::{
    domain::posture::{Posture, Quota},
    error::Result,
    providers::aws::keys,
};

/// What AWS calls the cap on snapshots of one's own.
const MANUAL_SNAPSHOTS: &str = "ManualSnapshots";

/// Looks at all of it.
pub(super) async fn of(region: &Region, source: &Source, shown: Option<&Shown>) -> Result<Posture> {
    let (mut posture, key) = match source {
        Source::Instance(instance) => (
            Posture {
                retention_days: instance.backup_retention_period().and_then(|days| u32::try_from(days).ok()),
                restorable_to: moment(instance.latest_restorable_time()),
                protected: instance.deletion_protection(),
                public: instance.publicly_accessible(),
                ..Posture::default()
            },
            instance.kms_key_id(),
        ),
        Source::Cluster(cluster, writer) => (
            Posture {
                retention_days: cluster.backup_retention_period().and_then(|days| u32::try_from(days).ok()),
                restorable_to: moment(cluster.latest_restorable_time()),
                protected: cluster.deletion_protection(),
                public: writer.as_ref().and_then(|writer| writer.publicly_accessible()),
                ..Posture::default()
            },
            cluster.kms_key_id(),
        ),
    };
    if let Some(name) = key.filter(|name| !name.is_empty()) {
        let look = || keys::look(&region.config, &region.place, name);
        posture.key = Some(match shown {
            Some(shown) => shown.key(name).await.get_or_try_init(look).await?.clone(),
            None => look().await?,
        });
    }
    posture.snapshots = match shown {
        Some(shown) => *shown.quota.get_or_try_init(|| quota(region)).await?,
        None => quota(region).await?,
    };
    Ok(posture)
}

async fn quota(region: &Region) -> Result<Option<Quota>> {
    let found = region.client.describe_account_attributes().send().await;
    let found = found.map_err(|error| region.told("rds:DescribeAccountAttributes", "the account", &error))?;
    let quota = found.account_quotas().iter().find(|quota| quota.account_quota_name() == Some(MANUAL_SNAPSHOTS));
    Ok(quota.and_then(|quota| {
        let (used, most) = (u64::try_from(quota.used()?).ok()?, u64::try_from(quota.max()?).ok()?);
        Some(Quota { used, most })
    }))
}
