//! A team's volumes and cache on the emulated Amazon: a volume of its own, a machine with several, a cache of two shards, a
//! vault, a config, and Lastgood with its real adapters.

use super::{Aws, Bytes};
use crate::house::world_on;
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
use std::{process::Command, sync::Arc, time::Duration};
use tempfile::TempDir;

/// Where everything is.
pub const HOME: &str = "eu-west-1";
/// Where copies are.
pub const FAR: &str = "us-east-1";
/// The volume of its own.
pub const VOLUME: &str = "data-volume";
/// The machine.
pub const MACHINE: &str = "web-server";
/// The cache.
pub const CACHE: &str = "cache";

/// A yard. All of it is gone with the test.
pub struct Yard {
    /// The world as functions see it.
    pub env: Env,
    /// Its clock, and Amazon's.
    pub clock: ManualClock,
    /// The emulated Amazon.
    pub aws: Aws,
    /// The vault, dated by the same clock.
    pub vault: MemoryBucket,
    /// The id of the volume of its own.
    pub volume: String,
    /// The ids of the machine's volumes, in order.
    pub set: Vec<String>,
    /// The id of the machine.
    pub machine: String,
    _home: TempDir,
}

impl Yard {
    /// Builds a yard at four in the morning with these assets of it, or says that the test is skipped because there is no moto.
    pub async fn build(test: &str, assets: &[&str]) -> Option<Self> {
        let clock = ManualClock::at("2026-11-20T04:00:00Z".parse().expect("a moment"));
        let aws = Aws::start_at(test, Arc::new(clock.clone())).await?;
        let key = aws.key(HOME, "alias/volumes").await;
        aws.key(FAR, "alias/dr").await;
        let volume = aws.ec2().found(HOME, 8, Some(&key), Bytes::of(&ext4())).await;
        let (data, logs) =
            (aws.ec2().found(HOME, 8, Some(&key), Bytes::of(&ext4())).await, aws.ec2().found(HOME, 4, Some(&key), Bytes::of(&xfs())).await);
        let (machine, root) = aws.ec2().machine(HOME, Bytes::of(&partitioned(&xfs())), &[&data, &logs]).await;
        aws.caches().found(HOME, "shop", &key).await;
        let mut set = vec![data, logs, root];
        set.sort();
        let home = tempfile::Builder::new().prefix("lgyard-").tempdir().expect("a temporary folder");
        std::fs::create_dir(home.path().join("scratch")).expect("a folder");
        let common = format!(
            "snapshot: {{ schedule: \"0 4 * * *\" }}, copies: [{{ region: {FAR}, kms_key: alias/dr }}], drill: {{ schedule: \"0 6 * * *\", \
             into: {{ ebs: {{ zone: {HOME}a, zones: {{ {FAR}: {FAR}a }} }} }}"
        );
        let all = [
            (
                VOLUME,
                format!("kind: volume, provider: aws, volume: {volume}, region: {HOME}, {common}, checks: [{{ filesystem: ext4 }}] }}"),
            ),
            (
                MACHINE,
                format!(
                    "kind: volume, provider: aws, instance: {machine}, region: {HOME}, {common}, checks: [{{ filesystem: [ext4, xfs] }}] }}"
                ),
            ),
            (CACHE, format!("kind: redis, provider: aws, instance: shop, region: {HOME}, snapshot: {{ schedule: \"0 4 * * *\" }}")),
        ];
        let named = all.iter().filter(|(name, _)| assets.contains(name)).map(|(name, asset)| format!("  {name}: {{ {asset} }}\n"));
        let yaml = format!(
            "vault: file:///lastgood\ndefaults: {{ rpo: 26h, rto: 4h, retention: {{ daily: 2 }} }}\nassets:\n{}",
            named.collect::<String>()
        );
        let config = Config::parse(&yaml, "lastgood.yaml").unwrap_or_else(|error| panic!("{error:?}\n{yaml}"));
        let vault = MemoryBucket::new(config.vault.clone(), clock.clone());
        let scratch = home.path().join("scratch");
        let env = world_on(aws.access(), Arc::new(vault.clone()), config, &clock, scratch, Tools::of_this_machine());
        Some(Self { env, clock, aws, vault, volume, set, machine, _home: home })
    }

    /// Another invocation.
    pub fn another(&self, holder: &str) -> Env {
        Env { holder: holder.to_owned(), ..self.env.clone() }
    }

    /// Another invocation that has so long to live.
    pub fn hurried(&self, span: Duration) -> Env {
        Env { deadline: Some(after(self.clock.now(), span)), ..self.env.clone() }
    }

    /// The backups of an asset, newest first. None may be unreadable.
    pub async fn backups(&self, asset: &str) -> Vec<Manifest> {
        let found = self.env.vault.backups(&name(asset)).await.expect("a listing");
        assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
        found.good
    }

    /// The evidence of an asset's drills, newest first.
    pub async fn evidence(&self, asset: &str) -> Vec<Evidence> {
        self.env.vault.all(&Key::drills(&name(asset))).await.expect("the evidence").good
    }

    /// Turns the clock.
    pub fn set(&self, now: &str) {
        self.clock.set(now.parse().expect("a moment"));
    }
}

/// The name of an asset.
pub fn name(asset: &str) -> AssetName {
    asset.parse().expect("a name")
}

/// An ext4 file system: made by its own program where there is one, else its superblock by hand.
pub fn ext4() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let image = folder.path().join("image");
    std::fs::write(&image, vec![0; 8 << 20]).expect("an image");
    for program in ["mkfs.ext4", "/sbin/mkfs.ext4", "/usr/sbin/mkfs.ext4"] {
        if Command::new(program).args(["-q", "-F"]).arg(&image).status().is_ok_and(|status| status.success()) {
            return std::fs::read(&image).expect("the image");
        }
    }
    eprintln!("NOTE there is no mkfs.ext4: the superblock is made by hand");
    let mut bytes = vec![0; 8 << 20];
    for (at, word) in [(0, 128_u32), (4, 2048), (24, 2), (56, 0xef53), (92, 0x4), (96, 0x40)] {
        bytes[1024 + at..1028 + at].copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// An XFS superblock, by hand.
pub fn xfs() -> Vec<u8> {
    let mut bytes = vec![0; 4 << 20];
    bytes[..8].copy_from_slice(b"XFSB\x00\x00\x10\x00");
    bytes
}

/// A disk with one partition, 1 MiB from its start.
pub fn partitioned(inside: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    bytes[450] = 0x83;
    bytes[454..458].copy_from_slice(&2048_u32.to_le_bytes());
    bytes.extend(inside);
    bytes
}
