//! Removing a replica, in the order that RDS wants: a cluster's instances, then the cluster. Only what bears our tag.

use super::{
    body::{Body, is_aurora},
    error::{code, is_absent, is_busy},
    look::Region,
    names,
    replicas::{RdsReplicas, stranger},
    status::{Stage, stage},
    tags,
};
use crate::{
    domain::drill::ReplicaName,
    error::{Result, refused},
};
use aws_sdk_rds::types::{DbCluster, DbInstance};

impl RdsReplicas {
    /// Begins to remove a replica that is ours. What RDS does not take now, it takes when it is asked again.
    pub(super) async fn tear_down(&self, name: &ReplicaName) -> Result<()> {
        let Some((region, body)) = self.find(name).await? else { return Ok(()) };
        if self.spares(body.ids()) {
            return Err(refused(format!("{} is the source of an asset, whatever its tags say", body.id()))
                .hint("remove the tags that begin with lastgood: from it"));
        }
        if !body.is_ours(name) {
            return Err(stranger(name, &region));
        }
        match body {
            Body::Instance(instance) => remove_instance(&region, &instance).await?,
            Body::Cluster(cluster, members) => {
                if is_aurora(&cluster) {
                    let strange = |member: &DbInstance| tags::replica(member.tag_list()).is_none_or(|(tagged, _)| tagged != *name);
                    if members.iter().any(strange) {
                        return Err(stranger(name, &region));
                    }
                    for member in &members {
                        remove_instance(&region, member).await?;
                    }
                }
                remove_cluster(&region, &cluster).await?;
            }
        }
        self.passwords.lock().await.remove(name);
        self.aws.leftovers.forget(name).await;
        tracing::info!(asset = %self.asset, replica = %name, "{} at {} is being removed", names::of_replica(name), region.place);
        Ok(())
    }
}

async fn remove_instance(region: &Region, instance: &DbInstance) -> Result<()> {
    let (id, client) = (instance.db_instance_identifier().unwrap_or_default(), &region.client);
    if stage(instance.db_instance_status().unwrap_or_default()) == Stage::Leaving {
        return Ok(());
    }
    if instance.deletion_protection().unwrap_or_default() {
        let call = client.modify_db_instance().db_instance_identifier(id).deletion_protection(false).apply_immediately(true);
        match call.send().await {
            Ok(_) => {}
            Err(error) if is_absent(&error) || is_busy(&error) => return Ok(()),
            Err(error) => return Err(region.told("rds:ModifyDBInstance", id, &error)),
        }
    }
    let member = instance.db_cluster_identifier().is_some_and(|cluster| !cluster.is_empty());
    let call = client.delete_db_instance().db_instance_identifier(id).skip_final_snapshot(true);
    match call.set_delete_automated_backups((!member).then_some(true)).send().await {
        Ok(_) => Ok(()),
        Err(error) if is_absent(&error) || is_busy(&error) => Ok(()),
        // The protection that was just lifted is still seen.
        Err(error) if instance.deletion_protection() == Some(true) && code(&error) == "InvalidParameterCombination" => Ok(()),
        Err(error) => Err(region.told("rds:DeleteDBInstance", id, &error)),
    }
}

async fn remove_cluster(region: &Region, cluster: &DbCluster) -> Result<()> {
    let (id, client) = (cluster.db_cluster_identifier().unwrap_or_default(), &region.client);
    if stage(cluster.status().unwrap_or_default()) == Stage::Leaving {
        return Ok(());
    }
    if cluster.deletion_protection().unwrap_or_default() {
        let call = client.modify_db_cluster().db_cluster_identifier(id).deletion_protection(false).apply_immediately(true);
        match call.send().await {
            Ok(_) => {}
            Err(error) if is_absent(&error) || is_busy(&error) => return Ok(()),
            Err(error) => return Err(region.told("rds:ModifyDBCluster", id, &error)),
        }
    }
    let call = client.delete_db_cluster().db_cluster_identifier(id).skip_final_snapshot(true).delete_automated_backups(true);
    match call.send().await {
        Ok(_) => Ok(()),
        // Its instances are still on their way out.
        Err(error) if is_absent(&error) || is_busy(&error) => Ok(()),
        Err(error) if cluster.deletion_protection() == Some(true) && code(&error) == "InvalidParameterCombination" => Ok(()),
        Err(error) => Err(region.told("rds:DeleteDBCluster", id, &error)),
    }
}
