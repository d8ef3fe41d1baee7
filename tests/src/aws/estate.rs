//! A team's whole estate on the emulated Amazon: production, a drill network in two regions, a vault, a config, and Lastgood
//! with its real adapters.

use super::{Aws, Network};
use crate::{house::world_on, pg::Cluster};
use lastgood_core::{
    catalog::{Key, evidence::Evidence},
    clock::{Clock, after},
    config::Config,
    domain::backup::Manifest,
    env::Env,
    id::AssetName,
    providers::postgres::Tools,
    testing::{ManualClock, MemoryBucket},
};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;

/// Where production is.
pub const HOME: &str = "eu-west-1";
/// Where its copies are.
pub const FAR: &str = "us-east-1";
/// The instance that is protected.
pub const PRODUCTION: &str = "orders-prod";

/// What production is.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Instance,
    Cluster,
}

/// An estate. All of it is gone with the test.
pub struct Estate {
    /// The world as functions see it.
    pub env: Env,
    /// Its clock, and Amazon's.
    pub clock: ManualClock,
    /// The emulated Amazon.
    pub aws: Aws,
    /// The server behind the production instance: 300 orders.
    pub production: Cluster,
    /// The drill network at home.
    pub network: Network,
    /// The vault, dated by the same clock.
    pub vault: MemoryBucket,
    _home: TempDir,
}

impl Estate {
    /// Builds an estate at three in the morning, or says that the test is skipped because there is no moto.
    pub async fn build(test: &str) -> Option<Self> {
        Self::build_around(test, PRODUCTION).await
    }

    /// The same, whose production is an Aurora cluster.
    pub async fn build_aurora(test: &str) -> Option<Self> {
        Self::build_of(test, PRODUCTION, Shape::Cluster).await
    }

    /// The same, whose production instance has this name.
    pub async fn build_around(test: &str, instance: &str) -> Option<Self> {
        Self::build_of(test, instance, Shape::Instance).await
    }

    async fn build_of(test: &str, instance: &str, shape: Shape) -> Option<Self> {
        let clock = ManualClock::at("2026-11-20T03:00:00Z".parse().expect("a moment"));
        let aws = Aws::start_at(test, Arc::new(clock.clone())).await?;
        let production = aws.cluster().await;
        let orders = "create table orders (id int primary key, placed timestamptz not null);
                      insert into orders select n, '2026-11-20T02:00:00Z'::timestamptz - n * interval '1 minute' from generate_series(1, 300) n;
                      alter table orders owner to dba";
        production.sql("postgres", orders).await;
        match shape {
            Shape::Instance => {
                aws.database(&production, instance, HOME).await;
                aws.parameters(&format!("{instance}-parameters"), FAR).await;
            }
            Shape::Cluster => {
                aws.aurora(&production, instance, HOME).await;
                aws.cluster_parameters(&format!("{instance}-parameters"), FAR).await;
            }
        }
        aws.key(FAR, "alias/dr").await;
        let (network, far) = (aws.drill_network(HOME).await, aws.drill_network(FAR).await);
        let home = tempfile::Builder::new().prefix("lgestate-").tempdir().expect("a temporary folder");
        std::fs::create_dir(home.path().join("scratch")).expect("a folder");
        let yaml = format!(
            r#"
vault: file:///lastgood
runbook: https://example.com/runbook
defaults: {{ rpo: 26h, rto: 4h, retention: {{ daily: 2 }} }}
assets:
  orders-rds:
    kind: rds
    instance: {instance}
    region: {HOME}
    snapshot: {{ schedule: "0 3 * * *" }}
    copies: [ {{ region: {FAR}, kms_key: alias/dr }} ]
    drill:
      schedule: "0 6 * * *"
      into:
        rds:
          subnet_group: {group}
          security_groups: [ {sg} ]
          ca: {ca}
          regions: {{ {FAR}: {{ subnet_group: {far_group}, security_groups: [ {far_sg} ] }} }}
      checks:
        - {{ sql: "select count(*) from orders", expect: "= 300" }}
        - {{ table: orders, newest: placed, within: 26h }}
"#,
            group = network.subnet_group,
            sg = network.security_group,
            ca = aws.ca().display(),
            far_group = far.subnet_group,
            far_sg = far.security_group,
        );
        let config = Config::parse(&yaml, "lastgood.yaml").unwrap_or_else(|error| panic!("{error:?}\n{yaml}"));
        let vault = MemoryBucket::new(config.vault.clone(), clock.clone());
        let scratch = home.path().join("scratch");
        let env = world_on(aws.access(), Arc::new(vault.clone()), config, &clock, scratch, Tools::of_this_machine());
        Some(Self { env, clock, aws, production, network, vault, _home: home })
    }

    /// The same estate, whose drills restore the moment so long before them.
    #[must_use]
    pub fn drilling_a_moment(mut self, ago: &str) -> Self {
        let mut config = (*self.env.config).clone();
        let drill = config.assets.get_mut(&self.asset()).and_then(|asset| asset.policy.drill.as_mut()).expect("a drill policy");
        drill.point_in_time = Some(ago.parse().expect("a length of time"));
        self.env.config = Arc::new(config);
        self
    }

    /// The same estate, whose drills test what AWS Backup restores, too.
    #[must_use]
    pub fn testing_restores(mut self) -> Self {
        let mut config = (*self.env.config).clone();
        let drill = config.assets.get_mut(&self.asset()).and_then(|asset| asset.policy.drill.as_mut()).expect("a drill policy");
        drill.restore_tests = true;
        self.env.config = Arc::new(config);
        self
    }

    /// The asset.
    pub fn asset(&self) -> AssetName {
        "orders-rds".parse().expect("a name")
    }

    /// Another invocation that has so long to live.
    pub fn hurried(&self, span: Duration) -> Env {
        Env { deadline: Some(after(self.clock.now(), span)), ..self.env.clone() }
    }

    /// Another invocation.
    pub fn another(&self, holder: &str) -> Env {
        Env { holder: holder.to_owned(), ..self.env.clone() }
    }

    /// The backups, newest first. None may be unreadable.
    pub async fn backups(&self) -> Vec<Manifest> {
        let found = self.env.vault.backups(&self.asset()).await.expect("a listing");
        assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
        found.good
    }

    /// The evidence of drills, newest first.
    pub async fn evidence(&self) -> Vec<Evidence> {
        self.env.vault.all(&Key::drills(&self.asset())).await.expect("the evidence").good
    }

    /// The names of the manual snapshots that a region holds, as RDS itself says.
    pub async fn snapshots(&self, region: &str) -> Vec<String> {
        let rds = aws_sdk_rds::Client::new(&self.aws.sdk(region));
        let pages = rds.describe_db_snapshots().snapshot_type("manual").into_paginator().items().send();
        let found: Vec<_> = pages.collect::<Result<Vec<_>, _>>().await.expect("snapshots");
        let mut names: Vec<_> = found.into_iter().filter_map(|snapshot| snapshot.db_snapshot_identifier).collect();
        names.sort();
        names
    }

    /// The names of the instances that run in a region, as RDS itself says.
    pub async fn instances(&self, region: &str) -> Vec<String> {
        let rds = aws_sdk_rds::Client::new(&self.aws.sdk(region));
        let pages = rds.describe_db_instances().into_paginator().items().send();
        let found: Vec<_> = pages.collect::<Result<Vec<_>, _>>().await.expect("instances");
        let mut names: Vec<_> = found.into_iter().filter_map(|instance| instance.db_instance_identifier).collect();
        names.sort();
        names
    }

    /// The names of the clusters in a region, as RDS itself says.
    pub async fn clusters(&self, region: &str) -> Vec<String> {
        let rds = aws_sdk_rds::Client::new(&self.aws.sdk(region));
        let pages = rds.describe_db_clusters().into_paginator().items().send();
        let found: Vec<_> = pages.collect::<Result<Vec<_>, _>>().await.expect("clusters");
        found.into_iter().filter_map(|cluster| cluster.db_cluster_identifier).collect()
    }

    /// Fingerprints production: the same text means that nobody touched it.
    pub async fn production_fingerprint(&self) -> String {
        self.production.fingerprint("postgres").await
    }
}
