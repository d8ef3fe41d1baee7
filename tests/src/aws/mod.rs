//! Amazon for tests, at the level of its protocols: moto behind a layer of our own that is harsher than the real thing, and
//! real Postgres behind RDS, real bytes behind volumes.
//!
//! What begins takes a few looks to be there; what is removed takes a few looks to be gone. An instance is a real server
//! that speaks TLS only; a snapshot really freezes its data; a restore really starts another server from them, with the
//! default security group, the default parameter group, a public address and no protection unless asked otherwise.
//! A request that is not signed for the right service and region is refused. A test says what goes wrong: see [`Faults`].

mod backup;
mod door;
mod ec2;
mod elasticache;
pub mod estate;
mod faults;
mod network;
mod postgres;
mod rds;
mod rights;
mod wire;
mod xml;
pub mod yard;

pub use crate::engine::Lost;
pub use backup::{PLAN, RestoreJobs};
pub use ec2::Bytes;
pub use faults::{Faults, Rules, SetFault};
pub use network::Network;
pub use postgres::{MASTER, MASTER_PASSWORD};
pub use wire::Call;

use crate::{
    engine::{Dated, Socket},
    moto::Moto,
    pg::Cluster,
    s3::{KEY, KEY_ID, settings_for},
};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use door::Behind;
use ec2::Ec2;
use elasticache::ElastiCache;
use lastgood_core::{
    clock::SystemClock,
    ports::Secret,
    providers::aws::{Access, Settings, https},
};
use postgres::Estates;
use rds::Rds;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};

/// An emulated Amazon, gone with the test.
pub struct Aws {
    address: SocketAddr,
    behind: Arc<Behind>,
    estates: Arc<Estates>,
    _moto: Moto,
}

/// What is known of an instance from behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceSeen {
    /// Its name.
    pub name: String,
    /// Its lasting name.
    pub identity: String,
    /// The port of the server behind it.
    pub port: u16,
}

impl Aws {
    /// Starts it on the machine's time, or says on stderr that the test is skipped because there is no moto.
    pub async fn start(test: &str) -> Option<Self> {
        Self::start_at(test, Arc::new(SystemClock)).await
    }

    /// Starts it on a time of the test's own: what it dates bears that time.
    pub async fn start_at(test: &str, clock: Arc<dyn Dated>) -> Option<Self> {
        let moto = Moto::start(test).await?;
        let (estates, faults) = (Arc::new(Estates::make()), Faults::default());
        let ec2 = Ec2::new(moto.address(), clock.clone(), faults.clone());
        let backup = RestoreJobs::new(clock.clone(), faults.clone());
        let caches = ElastiCache::new(moto.address(), clock.clone(), faults.clone());
        let rds = Rds::new(moto.address(), clock, faults.clone(), estates.clone());
        let behind = Arc::new(Behind { moto: moto.address(), rds, ec2, caches, backup, faults });
        Some(Self { address: door::open(behind.clone()).await, behind, estates, _moto: moto })
    }

    /// Where it listens: every service, every region.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Settings that reach its S3.
    pub fn settings(&self, region: &str) -> Settings {
        Settings { region: Some(region.to_owned()), ..settings_for(self.address) }
    }

    /// How our own adapters reach it.
    pub fn access(&self) -> Access {
        Access { endpoint: Some(self.endpoint()), credentials: Some((KEY_ID.to_owned(), Secret::new(KEY))) }
    }

    /// The configuration of an SDK client past our own code, to prepare a scene or to look behind it.
    pub fn sdk(&self, region: &str) -> SdkConfig {
        let credentials = Credentials::new(KEY_ID, KEY, None, None, "tests");
        SdkConfig::builder()
            .http_client(https())
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(self.endpoint())
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build()
    }

    /// What goes wrong, and what was called.
    pub fn faults(&self) -> &Faults {
        &self.behind.faults
    }

    /// Returns how many calls of an action came.
    pub fn calls(&self, action: &str) -> usize {
        self.faults().calls(action)
    }

    /// The file with the certificate that every instance's is signed by.
    pub fn ca(&self) -> PathBuf {
        self.estates.ca()
    }

    /// Starts a server that can stand behind an instance: see [`Aws::database`].
    pub async fn cluster(&self) -> Cluster {
        self.estates.cluster().await
    }

    /// Makes a customer's key with an alias, and returns its ARN.
    pub async fn key(&self, region: &str, alias: &str) -> String {
        let kms = aws_sdk_kms::Client::new(&self.sdk(region));
        let made = kms.create_key().send().await.expect("a key");
        let made = made.key_metadata.expect("the key");
        kms.create_alias().alias_name(alias).target_key_id(made.key_id()).send().await.expect("an alias");
        made.arn.expect("its ARN")
    }

    /// Volumes and their snapshots, from behind.
    pub fn ec2(&self) -> &Ec2 {
        &self.behind.ec2
    }

    /// Restore jobs of AWS Backup, from behind.
    pub fn backup(&self) -> &RestoreJobs {
        &self.behind.backup
    }

    /// Caches and their snapshots, from behind.
    pub fn caches(&self) -> &ElastiCache {
        &self.behind.caches
    }

    /// Makes an encrypted, protected, private instance in front of a running server, which it does not own. It is
    /// available at once.
    pub async fn database(&self, cluster: &Cluster, name: &str, region: &str) {
        let key = self.key(region, &format!("alias/{name}")).await;
        self.database_under(cluster, name, region, &key).await;
    }

    /// The same under a certain key, such as Amazon's own `alias/aws/rds`.
    pub async fn database_under(&self, cluster: &Cluster, name: &str, region: &str, key: &str) {
        self.behind.rds.found(region, name, key, Socket::of(cluster)).await;
    }

    /// Makes a parameter group, as an instance of the same name at home has one.
    pub async fn parameters(&self, group: &str, region: &str) {
        self.behind.rds.parameters(region, group).await;
    }

    /// Makes a parameter group for clusters.
    pub async fn cluster_parameters(&self, group: &str, region: &str) {
        self.behind.rds.cluster_parameters(region, group).await;
    }

    /// What runs behind RDS in a region.
    pub async fn instances(&self, region: &str) -> Vec<InstanceSeen> {
        self.behind.rds.instances(region).await
    }

    /// Makes an encrypted, protected Aurora cluster with one instance in front of a running server, which it does not own.
    pub async fn aurora(&self, cluster: &Cluster, name: &str, region: &str) {
        let key = self.key(region, &format!("alias/{name}")).await;
        self.behind.rds.found_cluster(region, name, &key, Socket::of(cluster)).await;
    }

    /// Gives an instance (`db`) or a cluster (`cluster`) a tag, as somebody in the console would; no value takes it off.
    pub async fn tag(&self, region: &str, kind: &str, name: &str, key: &str, value: Option<&str>) {
        let rds = aws_sdk_rds::Client::new(&self.sdk(region));
        let arn = format!("arn:aws:rds:{region}:123456789012:{kind}:{name}");
        match value {
            Some(value) => {
                let tag = aws_sdk_rds::types::Tag::builder().key(key).value(value).build();
                rds.add_tags_to_resource().resource_name(arn).tags(tag).send().await.expect("a tag");
            }
            None => drop(rds.remove_tags_from_resource().resource_name(arn).tag_keys(key).send().await.expect("no tag")),
        }
    }

    /// Lets RDS take a snapshot of an instance or cluster by itself, as in its backup window.
    pub async fn takes_by_itself(&self, region: &str, of: &str) {
        self.behind.rds.takes_by_itself(region, of).await;
    }

    /// Lets an instance show these states, one per look, before it is what it was: `["backing-up", "modifying"]`.
    pub async fn shows(&self, region: &str, name: &str, states: &[&'static str]) {
        self.behind.rds.shows(region, name, states).await;
    }
}
