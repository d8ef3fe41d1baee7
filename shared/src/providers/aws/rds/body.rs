//! A replica as RDS shows it: an instance, or a cluster with its members.

use super::{
    look::Region,
    names, settings,
    status::{Cause, Stage, stage},
    tags,
};
use crate::{
    domain::drill::{ReplicaName, Sighting},
    error::Result,
};
use aws_sdk_rds::types::{DbCluster, DbInstance, Tag};

/// What bears the identifier of a replica.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// An instance.
    Instance(Box<DbInstance>),
    /// A cluster and its members.
    Cluster(Box<DbCluster>, Vec<DbInstance>),
}

impl Body {
    /// Looks for the replica of this name in a region.
    pub(super) async fn find(region: &Region, name: &ReplicaName) -> Result<Option<Self>> {
        Self::of(region, &names::of_replica(name)).await
    }

    /// Looks for an instance or a cluster of this identifier in a region.
    pub(super) async fn of(region: &Region, id: &str) -> Result<Option<Self>> {
        if let Some(instance) = region.instance(id).await? {
            return Ok(Some(Self::Instance(Box::new(instance))));
        }
        let Some(cluster) = region.cluster(id).await? else { return Ok(None) };
        let members = region.members(&cluster).await?;
        Ok(Some(Self::Cluster(Box::new(cluster), members)))
    }

    pub(super) fn tags(&self) -> &[Tag] {
        match self {
            Self::Instance(instance) => instance.tag_list(),
            Self::Cluster(cluster, _) => cluster.tag_list(),
        }
    }

    /// Whether its tags say that it is the replica of this name.
    pub(super) fn is_ours(&self, name: &ReplicaName) -> bool {
        tags::replica(self.tags()).is_some_and(|(tagged, _)| tagged == *name)
    }

    /// Its identifier.
    pub(super) fn id(&self) -> &str {
        let id = match self {
            Self::Instance(instance) => instance.db_instance_identifier(),
            Self::Cluster(cluster, _) => cluster.db_cluster_identifier(),
        };
        id.unwrap_or_default()
    }

    /// Its identifier, and those of its members.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        let members = match self {
            Self::Instance(_) => &[],
            Self::Cluster(_, members) => members.as_slice(),
        };
        std::iter::once(self.id()).chain(members.iter().filter_map(|member| member.db_instance_identifier()))
    }

    /// RDS's own name of it that never passes to another.
    pub(super) fn identity(&self) -> Option<&str> {
        match self {
            Self::Instance(instance) => instance.dbi_resource_id(),
            Self::Cluster(cluster, _) => cluster.db_cluster_resource_id(),
        }
    }

    pub(super) fn arn(&self) -> &str {
        let arn = match self {
            Self::Instance(instance) => instance.db_instance_arn(),
            Self::Cluster(cluster, _) => cluster.db_cluster_arn(),
        };
        arn.unwrap_or_default()
    }

    pub(super) fn status(&self) -> &str {
        match self {
            Self::Instance(instance) => instance.db_instance_status().unwrap_or_default(),
            Self::Cluster(cluster, members) => {
                let own = cluster.status().unwrap_or_default();
                let mut members = members.iter().filter_map(|member| member.db_instance_status());
                members.find(|status| stage(own) == Stage::Up && stage(status) != Stage::Up).unwrap_or(own)
            }
        }
    }

    /// An Aurora cluster that is up and has no instance yet: RDS restores its storage only.
    pub(super) fn lacks_instance(&self) -> bool {
        match self {
            Self::Instance(_) => false,
            Self::Cluster(cluster, members) => members.is_empty() && is_aurora(cluster) && stage(self.status()) == Stage::Up,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match stage(self.status()) {
            Stage::Up if self.lacks_instance() => Stage::AtWork,
            found => found,
        }
    }

    /// How far it has come, for a drill. What is up without our settings is taken up where it was left.
    pub(super) fn sighting(&self) -> Sighting {
        match self.stage() {
            Stage::Up if tags::is_ready(self.tags()) => Sighting::Restored,
            Stage::Up | Stage::AtWork | Stage::Leaving => Sighting::UnderWay,
            Stage::Broken(Cause::Restore | Cause::Surroundings) => Sighting::Unfinished,
        }
    }

    /// Where it listens.
    pub(super) fn endpoint(&self) -> Option<(String, u16)> {
        let (host, port) = match self {
            Self::Instance(instance) => {
                let endpoint = instance.endpoint()?;
                (endpoint.address()?.to_owned(), endpoint.port()?)
            }
            Self::Cluster(cluster, _) => (cluster.endpoint()?.to_owned(), cluster.port()?),
        };
        Some((host, u16::try_from(port).ok()?))
    }

    pub(super) fn master_user(&self) -> Option<&str> {
        match self {
            Self::Instance(instance) => instance.master_username(),
            Self::Cluster(cluster, _) => cluster.master_username(),
        }
    }

    /// Whether any part of it has an address in the open internet.
    pub(super) fn is_public(&self) -> bool {
        match self {
            Self::Instance(instance) => instance.publicly_accessible().unwrap_or_default(),
            Self::Cluster(cluster, members) => {
                cluster.publicly_accessible().unwrap_or_default()
                    || members.iter().any(|member| member.publicly_accessible().unwrap_or_default())
            }
        }
    }

    pub(super) fn subnet_group(&self) -> Option<&str> {
        match self {
            Self::Instance(instance) => instance.db_subnet_group()?.db_subnet_group_name(),
            Self::Cluster(cluster, _) => cluster.db_subnet_group(),
        }
    }

    pub(super) fn security_groups(&self) -> Vec<String> {
        match self {
            Self::Instance(instance) => settings::security_groups_of_instance(instance),
            Self::Cluster(cluster, _) => settings::security_groups_of_cluster(cluster),
        }
    }

    /// Whether changes that were ordered are still to come: a password, the backups.
    pub(super) fn has_pending_changes(&self) -> bool {
        match self {
            Self::Instance(instance) => instance
                .pending_modified_values()
                .is_some_and(|pending| pending.master_user_password().is_some() || pending.backup_retention_period().is_some()),
            Self::Cluster(cluster, _) => cluster
                .pending_modified_values()
                .is_some_and(|pending| pending.master_user_password().is_some() || pending.backup_retention_period().is_some()),
        }
    }

    /// How it is set up.
    pub(super) fn settings(&self) -> settings::Settings {
        match self {
            Self::Instance(instance) => settings::of_instance(instance),
            Self::Cluster(cluster, members) => settings::of_cluster(cluster, members.first()),
        }
    }
}

/// Whether a cluster is Aurora's: its instances are made and removed one by one; those of a Multi-AZ cluster come and go with
/// it.
pub(super) fn is_aurora(cluster: &DbCluster) -> bool {
    cluster.engine().is_some_and(|engine| engine.starts_with("aurora"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_rds::types::{PendingModifiedValues, builders::DbInstanceBuilder};

    fn name() -> ReplicaName {
        ReplicaName("lastgood-drill-orders-20261120t060000z".into())
    }

    fn tagged(status: &str) -> DbInstanceBuilder {
        let tags = tags::of_replica(&name(), &"orders".parse().unwrap(), "2026-11-20T14:00:00Z".parse().unwrap());
        DbInstance::builder().db_instance_status(status).set_tag_list(Some(tags))
    }

    fn seen(instance: DbInstanceBuilder) -> Sighting {
        Body::Instance(Box::new(instance.build())).sighting()
    }

    #[test]
    fn a_replica_is_restored_only_once_it_has_our_settings() {
        for at_work in ["creating", "backing-up", "modifying", "deleting", "resetting-master-credentials", "available"] {
            assert_eq!(seen(tagged(at_work)), Sighting::UnderWay, "{at_work}");
        }
        assert_eq!(seen(tagged("available").tag_list(tags::ready())), Sighting::Restored);
        assert_eq!(seen(tagged("modifying").tag_list(tags::ready())), Sighting::UnderWay);
        for broken in ["failed", "incompatible-restore", "incompatible-network", "storage-full"] {
            assert_eq!(seen(tagged(broken)), Sighting::Unfinished, "{broken}");
        }
    }

    #[test]
    fn a_replica_is_ours_only_by_the_name_in_its_tags() {
        let ours = Body::Instance(Box::new(tagged("available").build()));
        assert!(ours.is_ours(&name()));
        assert!(!ours.is_ours(&ReplicaName("lastgood-drill-orders-20261121t060000z".into())));
        assert!(!Body::Instance(Box::new(DbInstance::builder().build())).is_ours(&name()));
    }

    #[test]
    fn an_aurora_cluster_is_not_up_before_it_has_an_instance() {
        let cluster = DbCluster::builder().engine("aurora-postgresql").status("available").build();
        let bare = Body::Cluster(Box::new(cluster.clone()), Vec::new());
        assert!(bare.lacks_instance());
        assert_eq!(bare.stage(), Stage::AtWork);
        let with = |status: &str| Body::Cluster(Box::new(cluster.clone()), vec![DbInstance::builder().db_instance_status(status).build()]);
        assert_eq!(with("creating").stage(), Stage::AtWork);
        assert_eq!(with("failed").stage(), Stage::Broken(Cause::Restore));
        assert_eq!(with("available").stage(), Stage::Up);
        let multi_az = Body::Cluster(Box::new(DbCluster::builder().engine("postgres").status("available").build()), Vec::new());
        assert_eq!(multi_az.stage(), Stage::Up);
    }

    #[test]
    fn r48_an_open_address_is_seen_on_any_part_of_it() {
        let cluster = DbCluster::builder().engine("aurora-postgresql").status("available").build();
        let open = DbInstance::builder().publicly_accessible(true).build();
        assert!(Body::Cluster(Box::new(cluster.clone()), vec![open]).is_public());
        assert!(!Body::Cluster(Box::new(cluster), vec![DbInstance::builder().build()]).is_public());
    }

    #[test]
    fn a_password_that_is_still_to_come_is_waited_for() {
        let pending = PendingModifiedValues::builder().master_user_password("****").build();
        let body = |instance: DbInstanceBuilder| Body::Instance(Box::new(instance.build()));
        assert!(body(tagged("available").pending_modified_values(pending)).has_pending_changes());
        assert!(!body(tagged("available")).has_pending_changes());
    }
}
