//! A managed database of whichever cloud, in the words that stories of faults are told in: what a night and a drill ask a cloud
//! for, what can be lost, refused or in the way, and what is there afterwards. One text is told of every cloud.

mod cloudsql;
mod rds;

use crate::{engine::Lost, pg::Cluster};
use lastgood_core::{
    catalog::{Copy, Key, evidence::Evidence},
    clock::{Clock, after},
    domain::{
        backup::Manifest,
        drill::ReplicaName,
        held::{Label, SnapshotName},
    },
    env::Env,
    id::{AssetName, BackupId, Slot},
    testing::ManualClock,
};
use std::time::Duration;

/// A team's estate on one cloud, with one protected database and a real server behind everything.
#[expect(async_fn_in_trait, reason = "stories await it where they stand")]
pub trait Managed: Sized {
    /// The calls by which a night changes something, in their order; the first begins a backup.
    const NIGHT: &'static [&'static str];
    /// The calls by which a drill of a backup changes something, in their order.
    const DRILL: &'static [&'static str];
    /// The calls by which a drill of a moment changes something, in their order; the first makes the replica.
    const DRILL_OF_A_MOMENT: &'static [&'static str];
    /// The ways in which a backup that was begun fails late, and a word of what is said of each.
    const LATE: &'static [(Late, &'static str)];
    /// What the rights of this cloud's databases begin with.
    const RIGHTS: &'static str;

    /// Builds an estate at three in the morning, whose production instance has this name, or says why the story is skipped.
    async fn build_around(story: &str, instance: &str) -> Option<Self>;

    /// The same, where the name does not matter.
    async fn build(story: &str) -> Option<Self>;

    /// The same estate, whose drills restore the moment so long before them.
    #[must_use]
    fn drilling_a_moment(self, ago: &str) -> Self;

    /// The world as functions see it.
    fn env(&self) -> &Env;

    /// Its clock, and the cloud's.
    fn clock(&self) -> &ManualClock;

    /// The name of the production instance.
    fn production(&self) -> &str;

    /// The server behind it.
    fn server(&self) -> &Cluster;

    /// Makes the copies that the policy asks for, if any, and returns what is reported of it.
    async fn copy(&self) -> String;

    /// How many copies the policy asks for of every backup.
    fn copies(&self) -> usize;

    /// Loses half of the next call of a method.
    fn lose(&self, call: &str, half: Lost);

    /// How many calls of a method came.
    fn calls(&self, call: &str) -> usize;

    /// How many calls came in all.
    fn calls_so_far(&self) -> usize;

    /// Does `work` until it ends or the cloud has answered `k` more calls; then drops it, as `kill -9` would.
    async fn killed_after<T>(&self, k: usize, work: impl Future<Output = T>) -> Option<T>;

    /// Throttles every `k`-th call; 0 ends it.
    fn throttle_every(&self, k: usize);

    /// Gives listings in the smallest pages.
    fn small_pages(&self);

    /// Makes everything take so many looks.
    fn slow(&self, looks: usize);

    /// Lets something else go on with the production instance for so many looks.
    async fn busy(&self, looks: usize);

    /// Lets the next backup, or copy of one, fail late.
    fn fail_late(&self, late: Late);

    /// Switches off whatever goes wrong with rights.
    fn allow_all(&self);

    /// Takes a right away.
    fn deny(&self, right: &str);

    /// Every right that was used since so many calls had come.
    fn rights_since(&self, calls: usize) -> Vec<String>;

    /// The names of all backups that the cloud holds at home, strangers' too: one that was made twice is there twice.
    async fn held(&self) -> Vec<String>;

    /// The names of all instances that run, wherever.
    async fn instances(&self) -> Vec<String>;

    /// The instances that were asked to change, to be overwritten or to go.
    fn meddled_with(&self) -> Vec<String>;

    /// Puts a backup there by hand, under the name of one of ours if it is one, and returns all that the cloud says of it.
    async fn strange_backup(&self, label: &Label) -> String;

    /// All that the cloud says of that backup now.
    async fn strange_backup_now(&self, label: &Label) -> String;

    /// Puts backups there by hand that look like nothing of ours.
    async fn other_backups(&self, n: usize);

    /// Puts somebody's protected instance there.
    async fn strange_instance(&self, name: &str);

    /// Protects an instance, as somebody in the console would.
    async fn protect(&self, name: &str);

    /// Whether an instance is protected.
    async fn protected(&self, name: &str) -> bool;

    /// Gives the production instance all marks of a replica whose time is long over.
    async fn promote(&self, replica: &ReplicaName);

    /// Switches continuous backups off, and returns a word of the hint that says how to switch them on.
    async fn without_continuous_backups(&self) -> &'static str;

    /// The asset.
    fn asset(&self) -> AssetName {
        self.env().config.assets.keys().next().expect("an asset").clone()
    }

    /// The name that tonight's backup has.
    fn tonight(&self) -> SnapshotName {
        SnapshotName::derive(&self.asset(), &Slot::at(self.clock().now()))
    }

    /// The name that a drill has which opens now.
    fn drill_now(&self) -> ReplicaName {
        ReplicaName::derive(&self.asset(), &Slot::at(self.clock().now()))
    }

    /// What a backup of ours of this night would say of itself, if somebody else had made it.
    fn strange_label(&self) -> Label {
        Label {
            name: self.tonight(),
            asset: self.asset(),
            backup: BackupId::derive("by-hand", &self.asset(), &Slot::at(self.clock().now())),
        }
    }

    /// Another invocation.
    fn another(&self, holder: &str) -> Env {
        Env { holder: holder.to_owned(), ..self.env().clone() }
    }

    /// Another invocation that has so long to live.
    fn hurried(&self, span: Duration) -> Env {
        Env { deadline: Some(after(self.clock().now(), span)), ..self.env().clone() }
    }

    /// Time passes.
    fn passes(&self, span: Duration) {
        self.clock().set(after(self.clock().now(), span));
    }

    /// It is another moment.
    fn at(&self, moment: &str) {
        self.clock().set(moment.parse().expect("a moment"));
    }

    /// The backups, newest first. None may be unreadable.
    async fn backups(&self) -> Vec<Manifest> {
        let found = self.env().vault.backups(&self.asset()).await.expect("a listing");
        assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
        found.good
    }

    /// The names of the backups whose copies are proven, once for every copy.
    async fn proven(&self) -> Vec<String> {
        let proofs = self.env().vault.all::<Copy>(&Key::copies(&self.asset())).await.expect("the proofs").good;
        proofs.into_iter().filter_map(|proof| Some(proof.held?.name.0)).collect()
    }

    /// Whether a backup is recorded, once, with every copy of it that the policy asks for.
    async fn has(&self, name: &str) -> bool {
        let recorded = self.backups().await.iter().filter(|backup| backup.held.as_ref().is_some_and(|held| held.name.0 == name)).count();
        let proven = self.proven().await.iter().filter(|of| *of == name).count();
        (recorded, proven) == (1, self.copies())
    }

    /// The evidence of drills, newest first.
    async fn evidence(&self) -> Vec<Evidence> {
        self.env().vault.all(&Key::drills(&self.asset())).await.expect("the evidence").good
    }

    /// Fingerprints production: the same text means that nobody touched it.
    async fn fingerprint(&self) -> String {
        self.server().fingerprint("postgres").await
    }
}

/// How something that was begun fails late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// It is there, and is `failed`.
    Failed,
    /// The operation that made it ends with an error.
    WithError,
    /// It was skipped, and nobody calls that an error.
    Skipped,
}

/// Tells one text of every cloud.
#[macro_export]
macro_rules! of_every_cloud {
    ($($story:ident),* $(,)?) => {
        mod rds {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    let story = concat!(module_path!(), "::", stringify!($story));
                    super::$story::<lastgood_tests::aws::estate::Estate>(story).await;
                }
            )*
        }

        mod cloudsql {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    let story = concat!(module_path!(), "::", stringify!($story));
                    super::$story::<lastgood_tests::pegasus::Estate>(story).await;
                }
            )*
        }
    };
}
