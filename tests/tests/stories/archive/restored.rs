//! Archived copies that a restore or a drill needs: said, waited for over invocations, brought back whole.

use super::{HOURS_4, Shown, glacier};
use async_trait::async_trait;
use lastgood_core::{
    catalog::{Key, Vault},
    clock::{Clock, after},
    config::{Asset, DrillTarget},
    domain::{
        archive::Haste,
        backup::{Form, Manifest, Method},
        drill::Verdict,
        place::Place,
    },
    env::Env,
    error::Result,
    function::{Function, Outcome},
    ports::{Bucket, Confirmation, Exporter, Providers, Replicas, RestoreTarget, Target},
    providers::local::Folder,
    testing::Archiving,
};
use lastgood_tests::{
    drills::{House, shop},
    pg::Cluster,
};
use restore::Restore;
use restore_drill::RestoreDrill;
use std::{sync::Arc, time::Duration};

/// A world in which one place has an archive.
#[derive(Debug)]
struct WithArchive {
    inner: Arc<dyn Providers>,
    archive: Archiving,
}

#[async_trait]
impl Providers for WithArchive {
    async fn bucket(&self, place: &Place) -> Result<Arc<dyn Bucket>> {
        if place == self.archive.place() { Ok(Arc::new(self.archive.clone())) } else { self.inner.bucket(place).await }
    }

    async fn exporter(&self, asset: &Asset, form: Form) -> Result<Arc<dyn Exporter>> {
        self.inner.exporter(asset, form).await
    }

    async fn replicas(&self, asset: &Asset, into: &DrillTarget) -> Result<Arc<dyn Replicas>> {
        self.inner.replicas(asset, into).await
    }

    async fn target(&self, asset: &Asset, into: &Target, confirmation: Confirmation) -> Result<Arc<dyn RestoreTarget>> {
        self.inner.target(asset, into, confirmation).await
    }
}

/// A house with a backup of a real database, whose copy far away lies in an archive.
async fn archived(source: &Cluster, drill: &str) -> (House, Env, Archiving, Manifest) {
    let house = House::new(&source.url("shop"), drill);
    let made = house.back_up(Method::PgDumpCustom).await;
    let far = Arc::new(Folder::new(house.copy_far()).unwrap());
    let archive = Archiving::new(far, house.clock.clone(), HOURS_4);
    for artifact in &made.artifacts {
        archive.reclass(&artifact.key, glacier()).await.unwrap();
    }
    let providers = Arc::new(WithArchive { inner: house.env.providers.clone(), archive: archive.clone() });
    let env = Env { providers, ..house.env.clone() };
    (house, env, archive, made)
}

#[tokio::test]
async fn a_restore_from_an_archive_says_what_it_waits_for_waits_and_brings_everything_back() {
    let (source, target) = (Cluster::start().await, Cluster::start().await);
    source.lifelike(100).await;
    let (house, env, archive, made) = archived(&source, "{ schedule: \"0 6 * * *\", into: scratch }").await;
    let url = house.home.path().join("target-url");
    std::fs::write(&url, target.url("shop_restored")).unwrap();
    let restore = |apply| Restore {
        asset: shop(),
        backup: None,
        at: None,
        latest: true,
        into: format!("file:{}", url.display()).parse().unwrap(),
        from: Some(archive.place().clone()),
        recall: Haste::Expedited,
        apply,
        confirm: None,
    };
    let plan = restore(false).run(&env).await.unwrap().restored().unwrap().clone();
    assert_eq!(plan.steps[0], "recall it from GLACIER (expedited, usually 1–5 min; the provider charges for it)");
    assert!(archive.recalled().is_empty(), "a plan asks for nothing");
    let shown = Shown::default();
    let env = Env { progress: Arc::new(shown.clone()), ..env };
    let done = restore(true).run(&env).await.unwrap().restored().unwrap().clone();
    assert_eq!(done.verdict, Some(Verdict::Proven), "{:#?}", done.checks);
    assert!(shown.0.lock().unwrap()[0].starts_with("recalling from GLACIER, begun at "), "{shown:?}");
    let mut asked = archive.recalled();
    asked.sort_by(|a, b| a.0.cmp(&b.0));
    let mut wanted: Vec<_> = made.artifacts.iter().map(|artifact| (artifact.key.clone(), Haste::Expedited)).collect();
    wanted.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(asked, wanted, "every object once");
    assert_eq!(target.fingerprint("shop_restored").await, source.fingerprint("shop").await);
}

#[tokio::test]
async fn a_drill_of_an_archived_copy_waits_over_invocations_and_goes_on_with_the_backup_that_it_asked_for() {
    let source = Cluster::start().await;
    source.lifelike(100).await;
    let (house, env, archive, made) = archived(&source, "{ schedule: \"0 6 * * *\", into: scratch, from: \"file://HOME/far\" }").await;
    let drill = async |holder: &str, limited: bool| {
        let deadline = limited.then(|| after(house.clock.now(), Duration::from_mins(15)));
        let env = Env { holder: holder.to_owned(), deadline, ..env.clone() };
        RestoreDrill { asset: Some(shop()), ..RestoreDrill::default() }.run(&env).await.unwrap()
    };
    let first = drill("first", true).await;
    assert!(matches!(&first.entries[0].outcome, Outcome::Waiting { reason } if reason.contains("recalling from GLACIER")), "{first:?}");
    let asked = archive.recalled();
    assert_eq!(asked.len(), made.artifacts.len());
    // A newer backup reaches the archive meanwhile: another recall would never end.
    let newer = house.back_up(Method::PgDumpCustom).await;
    let far = Vault::new(Arc::new(archive.clone()));
    for artifact in &newer.artifacts {
        std::fs::copy(house.object(&artifact.key), house.home.path().join("far").join(&artifact.key)).unwrap();
        archive.reclass(&artifact.key, glacier()).await.unwrap();
    }
    far.create(&Key::Manifest(shop(), newer.id), &newer).await.unwrap();
    house.clock.advance(Duration::from_hours(1));
    let second = drill("second", true).await;
    assert!(matches!(&second.entries[0].outcome, Outcome::Waiting { .. }), "{second:?}");
    house.clock.advance(HOURS_4);
    let third = drill("third", false).await;
    match &third.entries[0].outcome {
        Outcome::Done(drilled) => {
            assert_eq!((drilled.verdict, drilled.backup), (Verdict::Proven, Some(made.id)));
        }
        other => panic!("{other:#?}"),
    }
    assert_eq!(archive.recalled(), asked, "nothing was asked for twice, and nothing else");
    assert_eq!(house.leftovers(), Vec::<String>::new());
}
