//! Every alert there is: the story in which it fires, and the one in which it is over. The compiler lists a kind that has none.

mod checker;
mod clocks;
mod limits;
mod scheduler;
mod stage;

use lastgood_core::{
    config::Config,
    domain::{
        damage::Damage,
        drill::Verdict,
        finding::{FindingKind, Severity},
        freshness::ScheduleSeen,
        posture::{BucketPosture, Exposure, KeySeen, Posture, Quota},
        run::RunState,
        tell::{Alert, Message, What},
    },
    error::denied,
    providers::notify::letter,
    testing::World,
};
use stage::{CONFIG, Played, WEST, copied, emptied, fleet, healthy, newest, play, rds, reconfigured};
use std::sync::Arc;

/// The story of a kind. Whoever adds one must tell how it begins and how it ends.
async fn story(kind: FindingKind) -> Played {
    use FindingKind as F;
    let orders = |world: &World, when: &str| copied(world, world.asset("orders-db").backed_up(when).unwrap());
    match kind {
        F::EvidenceUnsigned => {
            let drilled = async |world: &mut World| {
                let id = newest(world).id;
                world.asset("orders-db").drilled(id, "1m ago", Verdict::Proven, 60.0).unwrap();
            };
            play(kind, healthy(), async |world| stage::unsigned(world), drilled).await
        }
        F::BackupStale => play(kind, healthy(), async |world| world.passes("26h"), async |world| orders(world, "2m ago")).await,
        F::NeverSucceeded => {
            let second = format!("{CONFIG}  users-db: {{ kind: postgres, url: env:U, export: {{ schedule: \"0 10 * * *\" }} }}\n");
            let users = async |world: &mut World| assert!(world.asset("users-db").backed_up("2m ago").is_ok());
            play(kind, healthy(), async |world| reconfigured(world, &second), users).await
        }
        F::BackupFailed => {
            let fails = async |world: &mut World| world.asset("orders-db").failed("1h ago", "pg_dump exited with 1: 28P01").unwrap();
            play(kind, healthy(), fails, async |world| orders(world, "30m ago")).await
        }
        F::ScheduleSilent => {
            let runs = async |world: &mut World| {
                world.asset("orders-db").ran("2m ago", |at| RunState::Done { at }).unwrap();
                orders(world, "2m ago");
            };
            play(kind, healthy(), async |world| world.passes("30h"), runs).await
        }
        F::CopyMissing => {
            let lost = async |world: &mut World| {
                stage::loses_its_copy(world);
                world.passes("5h");
            };
            play(kind, healthy(), lost, async |world| copied(world, newest(world).id)).await
        }
        F::RecordedButMissing => {
            let world = healthy();
            let key = newest(&world).artifacts[0].key.clone();
            let bytes = world.vault.bytes(&key).unwrap();
            let lost = key.clone();
            play(kind, world, async move |world| world.vault.lose(&lost), async move |world| world.vault.overwrite(&key, bytes)).await
        }
        F::PresentButUnrecorded => {
            let stray = "exports/orders-db/orders-db_daily_20261120_110000.dump.zst";
            let lies = async |world: &mut World| {
                world.vault.overwrite(stray, "half a dump");
                world.passes("20m");
            };
            play(kind, healthy(), lies, async |world| world.vault.lose(stray)).await
        }
        F::BackupCorrupt => {
            let found = |world: &World, damage| world.asset("orders-db").verified(newest(world).id, "now", damage).unwrap();
            let damaged = async |world: &mut World| {
                let object = newest(world).artifacts[0].key.clone();
                found(world, vec![Damage::Bytes { object, offset: Some(8), length: 8 }]);
            };
            play(kind, healthy(), damaged, async |world| found(world, Vec::new())).await
        }
        F::RecordUnreadable => {
            let world = healthy();
            let (key, bytes) = stage::manifest(&world);
            let written = key.clone();
            let by_hand = async move |world: &mut World| world.vault.overwrite(&written, "{ \"edited\": true }");
            play(kind, world, by_hand, async move |world| world.vault.overwrite(&key, bytes)).await
        }
        F::SizeAnomaly => {
            let shrinks = async |world: &mut World| {
                let shrunk = world.asset("orders-db").backed_up_with("1h ago", |manifest| manifest.artifacts[0].plain_size = 400 << 10);
                copied(world, shrunk.unwrap());
            };
            play(kind, healthy(), shrinks, async |world| orders(world, "2m ago")).await
        }
        F::Unproven => {
            play(kind, healthy(), async |world| world.passes("136h"), async |world| stage::drilled(world, Verdict::Proven, 60.0)).await
        }
        F::DrillFailed => drill(kind, Verdict::Failed, 60.0).await,
        F::DrillCouldNotVerify => drill(kind, Verdict::CouldNotVerify, 60.0).await,
        F::RtoMissed => drill(kind, Verdict::Proven, 4.5 * 3_600.0).await,
        F::DrillIntervalTooLong => {
            let shorter = CONFIG.replace("daily: 14", "daily: 7");
            play(kind, healthy(), async |world| reconfigured(world, &shorter), async |world| reconfigured(world, CONFIG)).await
        }
        F::HeartbeatMissing => {
            let woken = |world: &World, when| world.woken("cross-region-copy", when).unwrap();
            play(kind, healthy(), async |world| woken(world, "55h ago"), async |world| woken(world, "now")).await
        }
        F::ClockImplausible => {
            let tomorrow = async |world: &mut World| {
                let of =
                    |manifest: &mut lastgood_core::domain::backup::Manifest| manifest.data_time = "2026-11-21T12:00:00Z".parse().unwrap();
                world.asset("orders-db").backed_up_with("1h ago", of).unwrap();
            };
            play(kind, healthy(), tomorrow, async |world| world.passes("25h")).await
        }
        F::PruneRefused => {
            let shorter = CONFIG.replace("daily: 14, weekly: 4, monthly: 12", "daily: 1");
            let shortened = async |world: &mut World| {
                for hours in [122, 146, 170, 194] {
                    copied(world, world.asset("orders-db").backed_up(&format!("{hours}h ago")).unwrap());
                }
                reconfigured(world, &shorter);
            };
            play(kind, healthy(), shortened, async |world| reconfigured(world, CONFIG)).await
        }
        F::NotDelivered => {
            let deaf = async |world: &mut World| {
                world.inbox.close();
                world.passes("26h");
            };
            play(kind, healthy(), deaf, async |world| world.inbox.open()).await
        }
        F::HandOperated => {
            let by_hand = async |world: &mut World| {
                for key in world.vault.keys().into_iter().filter(|key| key.contains("/heartbeats/")) {
                    world.vault.lose(&key);
                }
            };
            play(kind, healthy(), by_hand, async |world| world.woken("export-to-bucket", "now").unwrap()).await
        }
        F::CouldNotObserve => {
            let world = healthy();
            let west = world.at(WEST);
            let gone = async |world: &mut World| drop(world.buckets.remove(&WEST.parse().unwrap()));
            play(kind, world, gone, async move |world| drop(world.buckets.insert(WEST.parse().unwrap(), west))).await
        }
        F::EventRefused => {
            let strange = async |world: &mut World| {
                let refusal = denied("an event of account 999999999999 was refused: its events are not believed");
                lastgood_core::host::refused(&world.env(), "export-to-bucket", &refusal).await;
            };
            // No check sees it again: the next one is its end.
            stage::told_by_a_host(kind, healthy(), strange, async |_| {}).await
        }
        F::KeyUnusable => {
            let unusable = Some("is to be deleted on 2026-11-27T00:00:00Z".to_owned());
            let key = Some(KeySeen { name: "alias/orders".to_owned(), unusable });
            postured(kind, Posture { key, ..Posture::default() }).await
        }
        F::QuotaNear => postured(kind, Posture { snapshots: Some(Quota { used: 85, most: 100 }), ..Posture::default() }).await,
        F::PostureDrift => postured(kind, Posture { protected: Some(false), ..Posture::default() }).await,
        F::VaultUnsafe => {
            let kept = |world: &World, exposure| {
                world.vault.set_posture(BucketPosture { exposure: Some(exposure), ..BucketPosture::default() });
            };
            let public = async |world: &mut World| kept(world, Exposure::Public("its policy lets anybody read".to_owned()));
            play(kind, healthy(), public, async |world| kept(world, Exposure::Closed)).await
        }
        F::FleetShort => {
            play(kind, fleet(&["billing"]).await, async |world| stage::shows(world, &[]), async |world| stage::shows(world, &["billing"]))
                .await
        }
        F::MemberLeft => {
            let both = ["billing", "shop"];
            play(kind, fleet(&both).await, async |world| stage::shows(world, &["shop"]), async |world| stage::shows(world, &both)).await
        }
        F::WalStale => {
            let stuck = async |world: &mut World| {
                world.wal.fails();
                world.passes("20m");
            };
            let watched = CONFIG.replace("    copies:", "    wal: { archive_within: 15m }\n    copies:");
            let mut world = healthy();
            reconfigured(&mut world, &watched);
            play(kind, world, stuck, async |world| world.wal.archives()).await
        }
        F::DurationOverLimit => {
            let slow = async |world: &mut World| {
                let long = |manifest: &mut lastgood_core::domain::backup::Manifest| {
                    manifest.started_at = lastgood_core::clock::before(manifest.finished_at, std::time::Duration::from_hours(3));
                };
                copied(world, world.asset("orders-db").backed_up_with("1h ago", long).unwrap());
            };
            play(kind, healthy(), slow, async |world| orders(world, "2m ago")).await
        }
        F::StorageQuota => {
            let quota = |most: &str| CONFIG.replace("vault: file:///vault", &format!("vault: file:///vault\nquota: {most}"));
            play(kind, healthy(), async |world| reconfigured(world, &quota("100B")), async |world| reconfigured(world, &quota("1GiB")))
                .await
        }
        F::ScheduleDisabled => {
            let set = |world: &World, seen| world.schedules.set("export.orders-db", seen);
            play(kind, healthy(), async |world| set(world, ScheduleSeen::Off), async |world| set(world, ScheduleSeen::On)).await
        }
        F::CheckerDead => {
            let dies = async |world: &mut World| {
                world.passes("31h");
                lastgood_core::host::watch(&world.env(), "export-to-bucket").await.unwrap();
            };
            let lives = async |world: &mut World| world.woken("freshness-checker", "now").unwrap();
            stage::told_by_a_host(kind, healthy(), dies, lives).await
        }
    }
}

/// A drill that ends so, and one that proves.
async fn drill(kind: FindingKind, verdict: Verdict, seconds: f64) -> Played {
    let ends = async move |world: &mut World| stage::drilled(world, verdict, seconds);
    let proves = async |world: &mut World| {
        world.passes("1m");
        stage::drilled(world, Verdict::Proven, 60.0);
    };
    play(kind, healthy(), ends, proves).await
}

/// A provider that keeps a database so, and as it should.
async fn postured(kind: FindingKind, posture: Posture) -> Played {
    let world = rds().await;
    play(
        kind,
        world,
        async move |world| world.snapshots.set_posture(posture),
        async |world| world.snapshots.set_posture(Posture::default()),
    )
    .await
}

/// Plays the story of every kind; one that goes wrong is named, and does not hide the others.
async fn every_story() -> Vec<(FindingKind, Played)> {
    let stage = tokio::task::LocalSet::new();
    let played = stage.run_until(async {
        let plays: Vec<_> = FindingKind::ALL.into_iter().map(|kind| (kind, tokio::task::spawn_local(story(kind)))).collect();
        let mut played = Vec::new();
        for (kind, play) in plays {
            played.push((kind, play.await));
        }
        played
    });
    let played = played.await;
    let broken: Vec<_> = played.iter().filter(|(_, play)| play.is_err()).map(|(kind, _)| *kind).collect();
    assert!(broken.is_empty(), "these have no story that plays: {broken:?}");
    played.into_iter().map(|(kind, play)| (kind, play.unwrap())).collect()
}

#[tokio::test]
async fn every_alert_has_a_story_in_which_it_fires_and_one_in_which_it_is_over() {
    for (kind, Played { fired, before, after, .. }) in every_story().await {
        assert!(!before.iter().any(|finding| finding.kind == kind), "{kind:?} was there before: {before:#?}");
        assert_eq!(fired.kind, kind, "{kind:?} does not fire");
        assert!(!after.iter().any(|finding| finding.kind == kind), "{kind:?} is not over: {after:#?}");
    }
}

#[tokio::test]
async fn every_alert_is_told_when_it_fires_and_when_it_is_over() {
    for (kind, Played { fired, heard, heard_after, .. }) in every_story().await {
        if fired.severity == Severity::Note {
            assert!(!heard.iter().any(|line| line.contains(&fired.sentence.to_lowercase())), "{kind:?}: a note wakes nobody: {heard:?}");
            continue;
        }
        let line = format!("{:?} {fired}", fired.severity).to_lowercase();
        // A channel that takes nothing does not take this; it hears what it missed.
        if kind != FindingKind::NotDelivered {
            assert!(heard.iter().any(|told| told.starts_with(&line)), "{kind:?}: {line:?} is not among {heard:#?}");
            assert!(heard_after.iter().any(|told| told.contains(kind.slug()) && told.contains("over")), "{kind:?}: {heard_after:#?}");
        }
    }
}

/// What every channel prints of every kind: none without its sentence, how bad it is, the section to read and the next command.
#[tokio::test]
async fn every_alert_says_in_every_channel_how_bad_it_is_what_it_means_and_what_to_type() {
    use clap::Parser;
    for (kind, Played { fired, .. }) in every_story().await {
        assert!(!fired.sentence.is_empty() && !fired.sentence.ends_with('.') && !fired.sentence.contains('\n'), "{fired:?}");
        assert_eq!(fired.runbook, format!("https://example.com/runbook#{}", kind.slug()));
        lastgood::command::Cli::try_parse_from(fired.command.split_whitespace()).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        let alert = Alert { what: What::New, finding: fired.clone(), since: None, respond_within: None };
        let sent_at = stage::NOW.parse().unwrap();
        let (function, vault) = ("freshness-checker".to_owned(), "file:///vault".to_owned());
        let message = Message { function, vault, sent_at, alerts: vec![alert], digest: None };
        let (text, subject) = (letter::text(&message), letter::subject(&message));
        for part in [fired.severity.as_str(), &fired.sentence, &fired.command, &fired.runbook] {
            assert!(text.contains(part), "{kind:?} lacks {part:?}: {text}");
        }
        assert!(subject.contains(fired.severity.as_str()), "{subject}");
        let written = serde_json::to_value(&fired).unwrap();
        for key in ["kind", "severity", "sentence", "runbook", "command"] {
            assert!(written[key].as_str().is_some_and(|text| !text.is_empty()), "{kind:?} lacks {key}: {written}");
        }
    }
}

/// The table by itself: what an unrelated asset looks like stays as it is while another one burns.
#[tokio::test]
async fn an_alert_of_one_asset_says_nothing_of_another() {
    let second = format!("{CONFIG}  users-db: {{ kind: postgres, url: env:U, export: {{ schedule: \"0 10 * * *\" }} }}\n");
    let mut world = healthy();
    reconfigured(&mut world, &second);
    world.asset("users-db").backed_up("2h ago").unwrap();
    world.config = Arc::new(Config::parse(&second, "lastgood.yaml").unwrap());
    world.asset("orders-db").failed("1h ago", "no route to host").unwrap();
    let status = stage::check(&world).await;
    let [orders, users] = &status.assets[..] else { panic!() };
    assert!(users.findings.is_empty() && !orders.findings.is_empty(), "{users:#?}");
    assert_eq!(emptied(&status, "users-db"), 0);
}
