//! The plan against a naive oracle that asks the definition of every backup anew, and against its own promises.

use super::{Held, Proof, Question, Soundness, cap, plan};
use crate::{
    clock::Timestamp,
    config::Retention,
    domain::backup::Form,
    id::{AssetName, BackupId, Slot},
};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const HOUR: i64 = 3_600;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn asset() -> AssetName {
    "orders-db".parse().unwrap()
}

fn held(data_time: Timestamp, form: Form) -> Held {
    let id = BackupId::derive(if form == Form::Export { "export" } else { "snapshot" }, &asset(), &Slot::at(data_time));
    Held { id, form, data_time, stored_at: Some(data_time), soundness: Soundness::Sound, proof: Proof::Unproven }
}

fn question(daily: u32, weekly: u32, monthly: u32, now: Timestamp) -> Question {
    Question {
        asset: asset(),
        policy: Retention { daily, weekly, monthly },
        previous: None,
        now,
        store_now: Some(now),
        failed_runs: 0,
        in_use: BTreeMap::new(),
        approved: None,
    }
}

/// Nights at 02:00 from the first day on.
fn nights(first: &str, count: i64) -> Vec<Held> {
    let first = at(first).as_second();
    (0..count).map(|n| held(Timestamp::from_second(first + n * 24 * HOUR).unwrap(), Form::Export)).collect()
}

fn kept_days(plan: &super::Plan, all: &[Held]) -> Vec<String> {
    let kept: BTreeSet<_> = plan.keep.iter().map(|judged| judged.id).collect();
    let mut days: Vec<_> = all.iter().filter(|b| kept.contains(&b.id)).map(|b| b.data_time.to_string()[..10].to_owned()).collect();
    days.sort();
    days
}

#[test]
fn a_missed_first_does_not_cost_the_monthly() {
    let mut all = nights("2026-09-28T02:00:00Z", 40);
    all.retain(|backup| !backup.data_time.to_string().starts_with("2026-10-01"));
    let plan = plan(&question(3, 0, 2, at("2026-11-06T03:00:00Z")), &all);
    assert_eq!(kept_days(&plan, &all), ["2026-10-02", "2026-11-01", "2026-11-04", "2026-11-05", "2026-11-06"]);
    let october = plan.keep.iter().find(|judged| judged.why.contains("2026-10")).unwrap();
    assert_eq!(october.why, "month 2026-10");
}

#[test]
fn iso_weeks_cross_the_year_and_leap_days_are_days() {
    let all = nights("2027-12-30T02:00:00Z", 62);
    let plan = plan(&question(2, 10, 0, at("2028-02-29T03:00:00Z")), &all);
    let whys: Vec<_> = plan.keep.iter().map(|judged| judged.why.as_str()).collect();
    assert!(whys.contains(&"week 2027-W52"), "{whys:?}");
    assert!(whys.iter().any(|why| why.ends_with("day 2028-02-29")), "{whys:?}");
}

#[test]
fn forms_are_counted_apart() {
    let mut all = nights("2026-11-01T02:00:00Z", 10);
    all.extend(nights("2026-11-01T03:00:00Z", 10).into_iter().map(|backup| held(backup.data_time, Form::Snapshot)));
    let plan = plan(&question(2, 0, 0, at("2026-11-10T05:00:00Z")), &all);
    assert_eq!(plan.keep.len(), 4);
    assert_eq!(plan.prune.len(), 16);
}

#[test]
fn a_vault_without_new_backups_loses_none_however_old_they_grow() {
    let all = nights("2026-11-01T02:00:00Z", 7);
    assert!(plan(&question(7, 4, 12, at("2046-11-10T05:00:00Z")), &all).prune.is_empty());
}

#[test]
fn the_newest_proven_outlives_its_day() {
    let mut all = nights("2026-11-01T02:00:00Z", 12);
    all[1].proof = Proof::Proven;
    let plan = plan(&question(2, 0, 0, at("2026-11-12T05:00:00Z")), &all);
    assert!(plan.keep.iter().any(|judged| judged.id == all[1].id && judged.why == "newest proven"));
}

#[test]
fn r12_a_corrupt_backup_holds_up_no_floor_and_no_tier() {
    let mut all = nights("2026-11-01T02:00:00Z", 12);
    for corrupt in &mut all[9..] {
        corrupt.soundness = Soundness::Unsound;
        corrupt.proof = Proof::Proven;
    }
    let plan = plan(&question(1, 0, 0, at("2026-11-12T05:00:00Z")), &all);
    let sound = plan.keep.iter().find(|judged| judged.id == all[8].id).unwrap();
    assert_eq!(sound.why, "newest verified; day 2026-11-09");
    assert!(plan.keep.iter().any(|judged| judged.id == all[11].id), "the newest stays, corrupt or not");
}

#[test]
fn when_nothing_is_sound_nothing_goes() {
    let mut all = nights("2026-11-01T02:00:00Z", 12);
    for backup in &mut all {
        backup.soundness = Soundness::Unsound;
    }
    assert!(plan(&question(1, 0, 0, at("2026-11-12T05:00:00Z")), &all).prune.is_empty());
}

#[test]
fn r28_nothing_goes_while_the_newest_runs_failed() {
    let all = nights("2026-11-01T02:00:00Z", 9);
    let mut asked = question(7, 0, 0, at("2026-11-10T05:00:00Z"));
    assert_eq!(plan(&asked, &all).allowed().len(), 2);
    for failed in 1..5 {
        asked.failed_runs = failed;
        let plan = plan(&asked, &all);
        assert!(plan.allowed().is_empty());
        assert!(plan.refused.unwrap().contains("failed: nothing is let go before a new backup has succeeded"));
    }
}

#[test]
fn r29_over_the_cap_or_under_a_shortened_policy_a_person_types_the_hash_of_exactly_that_plan() {
    let all = nights("2026-10-01T02:00:00Z", 30);
    let mut asked = question(7, 0, 0, at("2026-10-31T05:00:00Z"));
    let refused = plan(&asked, &all);
    assert!(refused.refused.as_deref().unwrap().contains("23 of 30 backups would go, the cap is 6"), "{refused:?}");
    assert!(refused.allowed().is_empty());

    asked.approved = Some("000000000000".to_owned());
    assert!(plan(&asked, &all).refused.unwrap().contains("read it again"));
    asked.approved = Some(refused.hash.clone());
    assert_eq!(plan(&asked, &all).allowed().len(), 23);
    assert!(plan(&asked, &all[1..]).refused.is_some(), "one backup less is another plan");

    let few = nights("2026-10-01T02:00:00Z", 8);
    let mut asked = question(7, 0, 0, at("2026-10-08T05:00:00Z"));
    asked.previous = Some(Retention { daily: 8, weekly: 0, monthly: 0 });
    let refused = plan(&asked, &few);
    assert!(refused.refused.as_deref().unwrap().contains("shortened"));
    asked.approved = Some(refused.hash);
    assert_eq!(plan(&asked, &few).allowed().len(), 1);
}

#[test]
fn r29_an_empty_policy_is_refused_and_no_hash_lifts_that() {
    let all = nights("2026-11-01T02:00:00Z", 3);
    let mut asked = question(0, 0, 0, at("2026-11-04T05:00:00Z"));
    asked.approved = Some(plan(&asked, &all).hash);
    assert!(plan(&asked, &all).refused.unwrap().contains("keeps nothing"));
}

#[test]
fn r31_a_flood_of_backdated_fakes_displaces_nothing_genuine() {
    let genuine = nights("2026-10-01T02:00:00Z", 30);
    let now = at("2026-10-31T01:00:00Z");
    let before = plan(&question(7, 4, 12, now), &genuine);
    let mut flooded = genuine.clone();
    for n in 0..100 {
        let forged = Timestamp::from_second(at("2026-09-30T00:00:00Z").as_second() + n * 7 * HOUR).unwrap();
        let id = BackupId::derive("forged", &asset(), &Slot::at(forged));
        flooded.push(Held { id, stored_at: Some(now), ..held(forged, Form::Export) });
    }
    let after: BTreeSet<_> = plan(&question(7, 4, 12, now), &flooded).keep.into_iter().map(|judged| judged.id).collect();
    let lost: Vec<_> = before.keep.iter().filter(|judged| !after.contains(&judged.id)).collect();
    // Forged times that lie within two days of the truth are believed: they may take a day of those two, no more.
    assert!(lost.iter().all(|judged| judged.why.starts_with("day 2026-10-29") || judged.why.starts_with("day 2026-10-30")), "{lost:?}");
}

#[test]
fn r32_on_an_implausible_clock_nothing_goes() {
    let all = nights("2026-11-01T02:00:00Z", 9);
    let truth = at("2026-11-09T05:00:00Z");
    let year = jiff::SignedDuration::from_hours(24 * 365);
    let day = jiff::SignedDuration::from_hours(25);
    assert_eq!(plan(&question(7, 0, 0, truth), &all).allowed().len(), 2);
    for wrong in [truth + year, truth - year, truth + day, truth - day] {
        let mut asked = question(7, 0, 0, wrong);
        asked.store_now = Some(truth);
        assert!(plan(&asked, &all).refused.is_some(), "{wrong}");
    }
    let mut future = all.clone();
    future.push(held(truth + jiff::SignedDuration::from_hours(2), Form::Export));
    assert!(plan(&question(7, 0, 0, truth), &future).refused.unwrap().contains("future"));
    let mut approved = question(7, 0, 0, truth);
    approved.approved = Some(plan(&approved, &future).hash);
    assert!(plan(&approved, &future).refused.is_some(), "no hash lifts a wrong clock");
}

#[test]
fn every_small_history_agrees_with_the_oracle() {
    // Six backups, 16 hours apart across a month's end; every subset, soundness pattern and small policy.
    let base = at("2026-10-30T10:00:00Z").as_second();
    let moments: Vec<_> = (0..6).map(|n| Timestamp::from_second(base + n * 16 * HOUR).unwrap()).collect();
    let now = at("2026-11-03T10:00:00Z");
    for present in 0_u32..64 {
        for unsound in 0_u32..64 {
            if unsound & !present != 0 {
                continue;
            }
            let all: Vec<_> = (0..6)
                .filter(|n| present & (1 << n) != 0)
                .map(|n| {
                    let soundness = if unsound & (1 << n) == 0 { Soundness::Sound } else { Soundness::Unsound };
                    Held { soundness, ..held(moments[n], Form::Export) }
                })
                .collect();
            for (daily, weekly, monthly) in [(1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 1, 1), (0, 0, 0), (9, 9, 9)] {
                let asked = question(daily, weekly, monthly, now);
                assert_eq!(kept(&plan(&asked, &all)), oracle(&asked, &all), "{all:#?}");
            }
        }
    }
}

fn kept(plan: &super::Plan) -> BTreeSet<BackupId> {
    plan.keep.iter().map(|judged| judged.id).collect()
}

/// What a moment's day, week or month is called.
type Name = fn(&jiff::Zoned) -> String;

/// The definition, asked of each backup by itself, as slowly as you like.
fn oracle(asked: &Question, all: &[Held]) -> BTreeSet<BackupId> {
    let made = |b: &Held| (b.stored_at.unwrap_or(b.data_time), b.id);
    let far = |b: &Held| {
        b.stored_at.is_some_and(|s| {
            (b.data_time - s).total(jiff::Unit::Minute).unwrap() > 10.0 || (s - b.data_time).total(jiff::Unit::Hour).unwrap() > 48.0
        })
    };
    let zoned = |b: &Held| b.data_time.to_zoned(TimeZone::UTC);
    let periods: [(u32, Name, bool); 3] = [
        (asked.policy.daily, |z| z.strftime("%Y-%m-%d").to_string(), true),
        (asked.policy.weekly, |z| z.strftime("%G-%V").to_string(), false),
        (asked.policy.monthly, |z| z.strftime("%Y-%m").to_string(), false),
    ];
    let sound = |b: &Held| b.soundness == Soundness::Sound;
    let keeps = |b: &Held| {
        let peers: Vec<_> = all.iter().filter(|c| c.form == b.form).collect();
        let sound_peers: Vec<_> = peers.iter().filter(|c| sound(c)).collect();
        let newest = peers.iter().all(|c| made(c) <= made(b)) || peers.iter().all(|c| (c.data_time, c.id) <= (b.data_time, b.id));
        let verified = sound(b) && sound_peers.iter().all(|c| made(c) <= made(b));
        let proven =
            sound(b) && b.proof == Proof::Proven && sound_peers.iter().filter(|c| c.proof == Proof::Proven).all(|c| made(c) <= made(b));
        let stands = sound(b)
            && periods.iter().any(|(count, name, newest)| {
                let mine = name(&zoned(b));
                let rivals: Vec<_> = sound_peers.iter().filter(|c| far(c) == far(b)).collect();
                let best = rivals
                    .iter()
                    .filter(|c| name(&zoned(c)) == mine)
                    .all(|c| if *newest { made(c) <= made(b) } else { made(c) >= made(b) });
                let later: BTreeSet<_> = rivals.iter().map(|c| name(&zoned(c))).filter(|other| *other > mine).collect();
                best && later.len() < usize::try_from(*count).unwrap()
            });
        let evidence = !sound(b) && {
            let day = |c: &Held| zoned(c).date();
            let later: BTreeSet<_> = sound_peers.iter().map(|c| day(c)).filter(|other| *other > day(b)).collect();
            let days = usize::try_from(asked.policy.daily.max(1)).unwrap();
            later.len() < days
        };
        newest || verified || proven || stands || evidence || sound_peers.is_empty()
    };
    all.iter().filter(|b| keeps(b)).map(|b| b.id).collect()
}

prop_compose! {
    fn history()(entries in prop::collection::vec((0_i64..24 * 120, prop::bool::ANY, prop::bool::weighted(0.8), prop::bool::weighted(0.2), prop::option::weighted(0.9, 0_i64..100)), 0..60)) -> Vec<Held> {
        let base = at("2026-01-25T00:00:00Z").as_second();
        let mut seen = BTreeSet::new();
        entries.into_iter().filter_map(|(hour, export, sound, proven, late)| {
            let data_time = Timestamp::from_second(base + hour * HOUR).ok()?;
            let form = if export { Form::Export } else { Form::Snapshot };
            let stored_at = late.map(|hours| Timestamp::from_second(base + (hour + hours) * HOUR).unwrap());
            let soundness = if sound { Soundness::Sound } else { Soundness::Unsound };
            let proof = if proven { Proof::Proven } else { Proof::Unproven };
            seen.insert((hour, export)).then(|| Held { stored_at, soundness, proof, ..held(data_time, form) })
        }).collect()
    }
}

fn late_enough() -> Timestamp {
    at("2026-06-30T00:00:00Z")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_plan_is_the_oracles(all in history(), daily in 0_u32..9, weekly in 0_u32..6, monthly in 0_u32..6) {
        let asked = question(daily, weekly, monthly, late_enough());
        let plan = plan(&asked, &all);
        prop_assert_eq!(kept(&plan), oracle(&asked, &all));
        prop_assert_eq!(plan.keep.len() + plan.prune.len(), all.len());
    }

    #[test]
    fn r28_r29_what_is_allowed_never_goes_under_the_floor_nor_over_the_cap(
        all in history(), daily in 0_u32..9, weekly in 0_u32..6, monthly in 0_u32..6, failed in 0_usize..2,
    ) {
        let mut asked = question(daily, weekly, monthly, late_enough());
        asked.failed_runs = failed;
        let plan = plan(&asked, &all);
        let going: BTreeSet<_> = plan.allowed().iter().map(|judged| judged.id).collect();
        prop_assert!(going.len() <= cap(all.len()));
        prop_assert!(going.is_empty() || failed == 0 && daily + weekly + monthly > 0);
        for form in [Form::Export, Form::Snapshot] {
            let sound = |b: &&Held| b.form == form && b.soundness == Soundness::Sound;
            let newest = all.iter().filter(sound).max_by_key(|b| (super::written(b), b.id));
            let proven = all.iter().filter(sound).filter(|b| b.proof == Proof::Proven).max_by_key(|b| (super::written(b), b.id));
            for floor in newest.into_iter().chain(proven) {
                prop_assert!(!going.contains(&floor.id));
            }
        }
    }

    #[test]
    fn what_is_left_after_a_prune_is_not_pruned_again(all in history(), daily in 1_u32..9, weekly in 0_u32..6, monthly in 0_u32..6) {
        let asked = question(daily, weekly, monthly, late_enough());
        let stays = kept(&plan(&asked, &all));
        let left: Vec<_> = all.into_iter().filter(|b| stays.contains(&b.id)).collect();
        prop_assert!(plan(&asked, &left).prune.is_empty());
    }
}
