//! Whatever comes and goes, whoever refuses: nothing new is lost, nothing is told twice, and what is over is over.

use lastgood_core::{
    catalog::Status,
    clock::{Clock, after},
    domain::{
        finding::{Finding, FindingKind, Severity},
        tell::{Filter, Topic, What},
    },
    env::Env,
    testing::{Inbox, World},
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

const CONFIG: &str = r#"
vault: file:///vault
assets:
  orders-db: { kind: postgres, url: env:A, export: { schedule: "0 10 * * *" } }
  users-db: { kind: postgres, url: env:B, export: { schedule: "0 10 * * *" } }
"#;

const KINDS: [(&str, FindingKind); 4] = [
    ("orders-db", FindingKind::BackupStale),
    ("orders-db", FindingKind::DrillFailed),
    ("users-db", FindingKind::BackupStale),
    ("", FindingKind::VaultUnsafe),
];

/// What stands in one check, which channels refuse, and how long it is to the next.
#[derive(Debug, Clone)]
struct Step {
    standing: [Option<Severity>; 4],
    refusing: [bool; 3],
    minutes: u64,
}

fn severity() -> impl Strategy<Value = Severity> {
    prop_oneof![Just(Severity::Warning), Just(Severity::Critical), Just(Severity::Note)]
}

fn step() -> impl Strategy<Value = Step> {
    let standing = prop::array::uniform4(prop::option::of(severity()));
    (standing, prop::array::uniform3(prop::bool::weighted(0.3)), 1_u64..3_000).prop_map(|(standing, refusing, minutes)| Step {
        standing,
        refusing,
        minutes,
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let assets = prop::sample::subsequence(vec!["orders-db", "users-db"], 0..=2);
    (severity(), assets).prop_map(|(least, assets)| Filter { least, assets: assets.iter().map(|name| name.parse().unwrap()).collect() })
}

fn findings(step: &Step) -> Vec<Finding> {
    let of = |((asset, kind), severity): (&(&str, FindingKind), &Option<Severity>)| {
        let finding = Finding::new(*kind, (*severity)?, "it is as it is", "lastgood status");
        Some(if asset.is_empty() { finding } else { finding.about(&asset.parse().unwrap()) })
    };
    KINDS.iter().zip(&step.standing).filter_map(of).collect()
}

async fn lives(filters: [Filter; 3], steps: Vec<Step>) -> Result<(), TestCaseError> {
    let world = World::new("2026-11-20T12:00:00Z", CONFIG).unwrap();
    let inboxes = ["one", "two", "three"].map(Inbox::new);
    let inboxes: Vec<_> = inboxes.into_iter().zip(&filters).map(|(inbox, filter)| inbox.taking(filter.clone())).collect();
    let env = Env { notifiers: inboxes.iter().map(|inbox| Arc::new(inbox.clone()) as _).collect(), ..world.env() };
    let mut knows: [BTreeMap<Topic, Severity>; 3] = Default::default();
    for step in steps {
        world.clock.set(after(world.clock.now(), Duration::from_secs(step.minutes * 60)));
        for (inbox, refusing) in inboxes.iter().zip(step.refusing) {
            if refusing { inbox.close() } else { inbox.open() }
        }
        let standing = findings(&step);
        let status = Status::of(world.clock.now(), Vec::new(), standing.clone());
        freshness_checker::tell(&env, &status, None, &mut freshness_checker::Acks::read(&env).await).await;
        for (n, inbox) in inboxes.iter().enumerate() {
            for alert in inbox.messages().into_iter().flat_map(|message| message.alerts) {
                let topic = Topic::of(&alert.finding);
                let before = knows[n].get(&topic).copied();
                match alert.what {
                    What::New => prop_assert_eq!(before, None, "told as new what it knew: {:?}", alert),
                    What::Worse { was } | What::Better { was } | What::Eased { was } => prop_assert_eq!(before, Some(was)),
                    What::Still => prop_assert_eq!(before, Some(alert.finding.severity)),
                    What::Over { .. } => prop_assert!(before.is_some(), "told of the end of what it never knew: {:?}", alert),
                    What::Trial => continue,
                }
                if alert.what.is_over() {
                    knows[n].remove(&topic);
                } else {
                    knows[n].insert(topic, alert.finding.severity);
                }
            }
        }
        let open: BTreeSet<usize> = (0..3).filter(|n| !step.refusing[*n]).collect();
        for finding in &standing {
            let takers: Vec<_> = (0..3).filter(|n| filters[*n].takes(finding, None)).collect();
            for n in takers.iter().filter(|n| open.contains(n)) {
                let known = knows[*n].get(&Topic::of(finding));
                prop_assert_eq!(known, Some(&finding.severity), "channel {} takes deliveries and does not know of {:?}", n, finding);
            }
            if finding.severity == Severity::Critical && !takers.is_empty() && !open.is_empty() {
                let told = open.iter().any(|n| knows[*n].get(&Topic::of(finding)) == Some(&Severity::Critical));
                let known = takers.iter().any(|n| knows[*n].get(&Topic::of(finding)) == Some(&Severity::Critical));
                prop_assert!(told || known, "nobody heard of {:?}: {:?}", finding, knows);
            }
        }
        for n in open {
            let stands = |topic: &Topic| topic.kind == FindingKind::NotDelivered || standing.iter().any(|f| Topic::of(f) == *topic);
            prop_assert!(knows[n].keys().all(stands), "channel {} was not told of an end: {:?}", n, knows[n]);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn r35_nothing_new_is_ever_lost_or_told_twice(filters in prop::array::uniform3(filter()), steps in prop::collection::vec(step(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(lives(filters, steps))?;
    }
}
