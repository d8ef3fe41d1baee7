//! What RDS is told to make for a drill: an instance, or a cluster and its one instance, in the drill network and fenced.

use super::{
    Shape,
    body::Body,
    look::Region,
    make::{self, Member, Order, Origin, flag, owned},
    names,
    replicas::{RdsReplicas, stranger},
    settings::{Settings, text},
    tags,
};
use crate::{
    config::DrillNetwork,
    domain::{backup::Manifest, drill::ReplicaName, held::Held},
    error::{Result, invalid},
};
use aws_sdk_rds::types::Tag;

impl RdsReplicas {
    /// Begins the replica itself. Returns false where its name is taken.
    pub(super) async fn make(
        &self,
        region: &Region,
        name: &ReplicaName,
        backup: &Manifest,
        network: &DrillNetwork,
        ours: Vec<Tag>,
    ) -> Result<bool> {
        let held = super::restore::held(backup)?;
        let (settings, origin, shape) = (&held.settings, Origin::of(backup)?, Shape::of(&held.reference));
        let fenced = Order {
            id: names::of_replica(name),
            subnet_group: Some(network.subnet_group.clone()),
            security_groups: network.security_groups.clone(),
            parameter_group: make::parameter_group(region, settings, shape).await?,
            protected: Some(false),
            copies_tags: Some(false),
            storage_type: owned(settings, "storage_type"),
            iam: flag(settings, "iam_authentication"),
            tags: ours,
            ..Order::default()
        };
        match shape {
            Shape::Instance => {
                let alone = Order {
                    class: self.class(settings),
                    multi_az: Some(false),
                    minor_upgrades: Some(false),
                    retention: Some(0),
                    iops: make::iops(settings),
                    ..fenced
                };
                make::instance(region, &origin, alone).await
            }
            // A cluster always keeps backups, for a day at least; they go with it.
            Shape::Cluster => {
                let mut cluster = Order { retention: Some(1), scaling: make::scaling(settings), ..fenced };
                if text(settings, "cluster_class").is_some() {
                    cluster.class = self.drill.class.clone().or_else(|| owned(settings, "cluster_class"));
                    cluster.iops = super::settings::number(settings, "iops");
                }
                make::cluster(region, &origin, &held.engine, cluster).await
            }
        }
    }

    /// Gives an Aurora cluster its one instance: a restore brings back its storage alone.
    pub(super) async fn begin_member(&self, region: &Region, name: &ReplicaName, body: &Body, held: &Held) -> Result<()> {
        let (cluster, settings) = (names::of_replica(name), &held.settings);
        let class = self
            .class(settings)
            .ok_or_else(|| invalid(format!("no instance class is known for {cluster}")).hint("name one under `drill.into.rds.class`"))?;
        let member = Member {
            id: &names::of_member(&cluster),
            cluster: &cluster,
            engine: &held.engine,
            class,
            parameter_group: make::parameter_group(region, settings, Shape::Instance).await?,
            minor_upgrades: Some(false),
            ca: None,
            tags: tags::ours(body.tags()),
        };
        if make::member(region, member).await? { Ok(()) } else { Err(stranger(name, region)) }
    }

    fn class(&self, settings: &Settings) -> Option<String> {
        self.drill.class.clone().or_else(|| owned(settings, "class"))
    }
}
