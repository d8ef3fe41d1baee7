//! Who is told what, when: in memory, on a clock that a hand turns.

mod heartbeat;
mod never_lost;

use freshness_checker::{Acks, FreshnessChecker};
use lastgood_core::{
    catalog::{Key, Status, acks, decode, encode},
    clock::{Clock, after},
    domain::{
        drill::Verdict,
        finding::{FindingKind, Severity},
        run::RunState,
        tell::{Ack, Filter, Memory, Message, What},
    },
    env::Env,
    function::{Findings, Function},
    testing::{Inbox, World},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// A Friday.
const NOW: &str = "2026-11-20T12:00:00Z";

const CONFIG: &str = r#"
vault: file:///vault
runbook: https://example.com/runbook
defaults: { rpo: 26h, rto: 4h, retention: { daily: 14 } }
alerts: { respond: { critical: 15m, warning: 4h } }
assets:
  orders-db: { kind: postgres, url: env:DATABASE_URL, export: { schedule: "0 10 * * *" } }
"#;

/// Somebody who is paged, and somebody who reads: in this order.
struct Town {
    world: World,
    pager: Inbox,
    readers: Inbox,
}

impl Town {
    /// One asset, backed up two hours ago.
    fn new() -> Self {
        Self::with(CONFIG)
    }

    fn with(config: &str) -> Self {
        let world = World::new(NOW, config).unwrap();
        let pager = Inbox::new("pager").taking(Filter { least: Severity::Critical, assets: BTreeSet::new() }).that_wakes();
        let town = Self { world, pager, readers: Inbox::new("readers") };
        town.backs_up("2h ago");
        town
    }

    fn backs_up(&self, when: &str) {
        let orders = self.world.asset("orders-db");
        let id = orders.backed_up(when).unwrap();
        orders.ran(when, |at| RunState::Done { at }).unwrap();
        orders.drilled(id, when, Verdict::Proven, 60.0).unwrap();
    }

    fn env(&self) -> Env {
        Env { notifiers: vec![Arc::new(self.readers.clone()), Arc::new(self.pager.clone())], ..self.world.env() }
    }

    async fn checks(&self) -> Status {
        FreshnessChecker::default().run(&self.env()).await.unwrap()
    }

    /// Checks, and says what each was told: the readers and the pager.
    async fn told(&self) -> (Vec<String>, Vec<String>) {
        self.checks().await;
        (lines(&self.readers), lines(&self.pager))
    }

    /// Lets time pass and checks at its end.
    async fn later(&self, span: &str) -> (Vec<String>, Vec<String>) {
        self.world.passes(span);
        self.told().await
    }

    fn memory(&self) -> Memory {
        decode(&self.world.vault.bytes("catalog/v1/told.json").unwrap()).unwrap()
    }

    /// Somebody knows of it.
    async fn acknowledges(&self, kind: FindingKind, severity: Severity, span: Duration) {
        let at = self.world.clock.now();
        let ack = Ack {
            asset: Some("orders-db".parse().unwrap()),
            kind,
            severity,
            by: "ana".to_owned(),
            why: "the disk is on its way".to_owned(),
            at,
            until: after(at, span),
            ended: None,
        };
        self.env().vault.save(&Key::Ack(ack.topic()), &ack).await.unwrap();
    }
}

/// What an inbox was told about orders-db's backups: what became of it, and the sentence.
fn lines(inbox: &Inbox) -> Vec<String> {
    let of = |message: Message| {
        let digest = message.digest.iter().map(|digest| format!("digest: {}", digest.headline())).collect::<Vec<_>>();
        let alerts = message.alerts.into_iter().map(|alert| {
            let what = match alert.what {
                What::New => "new",
                What::Worse { .. } => "worse",
                What::Better { .. } => "better",
                What::Eased { .. } => "eased",
                What::Still => "still",
                What::Over { .. } => "over",
                What::Trial => "trial",
            };
            format!("{what} {} {}", alert.finding.severity.as_str(), alert.finding)
        });
        digest.into_iter().chain(alerts).collect::<Vec<_>>()
    };
    inbox.messages().into_iter().flat_map(of).collect()
}

fn none() -> (Vec<String>, Vec<String>) {
    (Vec::new(), Vec::new())
}

const STALE: &str = "critical orders-db: newest backup is";

#[tokio::test]
async fn one_alert_for_a_change_says_since_when_how_soon_and_what_to_type_and_its_end_how_long_it_lasted() {
    let town = Town::new();
    assert_eq!(town.told().await, none());
    town.world.passes("25h");
    town.checks().await;
    let messages = town.pager.messages();
    let alert = messages[0].alerts.iter().find(|alert| alert.finding.kind == FindingKind::BackupStale).unwrap();
    assert_eq!((alert.what, alert.respond_within.unwrap().to_string()), (What::New, "15m".to_owned()));
    assert_eq!(alert.since.unwrap(), town.world.clock.now());
    assert_eq!(alert.finding.command, "lastgood export orders-db");
    assert_eq!(alert.finding.runbook, "https://example.com/runbook#backup-stale");
    assert_eq!(lines(&town.readers).iter().filter(|line| line.contains(STALE)).count(), 1);
    assert_eq!(town.later("1h").await, none(), "an age that grows is no news");

    town.world.passes("2h");
    town.backs_up("1m ago");
    let (readers, pager) = town.told().await;
    let over = "over note orders-db: backup-stale is over after 3h".to_owned();
    assert!(readers.contains(&over) && pager.contains(&over), "{readers:?} {pager:?}");
    assert_eq!(town.later("1h").await, none());
}

#[tokio::test]
async fn what_stays_is_told_again_at_its_interval_and_never_where_that_is_off() {
    let town = Town::new();
    town.checks().await;
    town.later("25h").await;
    assert_eq!(town.later("3h").await, none());
    let (readers, pager) = town.later("1h").await;
    assert!(readers[0].starts_with(&format!("still {STALE}")) && pager[0].starts_with("still critical"), "{readers:?} {pager:?}");
    assert_eq!(town.later("3h").await, none());
    assert!(town.later("1h").await.1[0].starts_with("still critical"));

    let off = Town::with(&CONFIG.replace("alerts: {", "alerts: { remind: off, digest: off,"));
    off.checks().await;
    assert!(!off.later("25h").await.0.is_empty());
    for _ in 0..20 {
        assert_eq!(off.later("24h").await.1, [""; 0]);
    }
}

#[tokio::test]
async fn an_acknowledged_finding_is_quiet_until_the_time_is_up_and_its_end_is_told_all_the_same() {
    let town = Town::new();
    town.checks().await;
    town.later("25h").await;
    town.acknowledges(FindingKind::BackupStale, Severity::Critical, Duration::from_hours(24)).await;
    for _ in 0..5 {
        let (readers, pager) = town.later("4h").await;
        assert!([readers, pager].concat().iter().all(|line| !line.contains("backup-stale") && !line.contains(STALE)));
    }
    let (_, pager) = town.later("4h").await;
    assert!(pager[0].starts_with(&format!("still {STALE}")), "the time is up: {pager:?}");

    town.acknowledges(FindingKind::BackupStale, Severity::Critical, Duration::from_hours(72)).await;
    town.world.passes("1h");
    town.backs_up("1m ago");
    assert!(town.told().await.1.iter().any(|line| line.contains("backup-stale is over")));
    let kept = acks(&town.env().vault).await.unwrap().good;
    assert_eq!(kept[0].ended.as_ref().unwrap().why, "what it was about is over");
    // It ended with its finding: the next of its kind is told.
    assert!(town.later("26h").await.1.iter().any(|line| line.starts_with(&format!("new {STALE}"))));
}

#[tokio::test]
async fn a_finding_that_gets_worse_breaks_its_acknowledgement() {
    let town = Town::with(&CONFIG.replace("rpo: 26h", "rpo: 24h"));
    let orders = town.world.asset("orders-db");
    town.checks().await;
    town.world.passes("21h");
    orders.ran("1m ago", |at| RunState::Failed { at, reason: "disk full".to_owned() }).unwrap();
    let (readers, pager) = town.told().await;
    let found: Vec<_> = readers.iter().filter(|line| line.contains("warning")).collect();
    assert!(!found.is_empty() && pager.is_empty(), "{readers:?} {pager:?}");
    let kind = town.checks().await.findings().into_iter().find(|finding| finding.severity == Severity::Warning).unwrap().kind;
    town.acknowledges(kind, Severity::Warning, Duration::from_hours(72)).await;
    // The same finding, worse: as the judgement sees it, whatever makes it so.
    let mut status = town.checks().await;
    let finding = status.assets[0].findings.iter_mut().find(|finding| finding.kind == kind).unwrap();
    finding.severity = Severity::Critical;
    freshness_checker::tell(&town.env(), &status, None, &mut Acks::read(&town.env()).await).await;
    let (readers, pager) = (lines(&town.readers), lines(&town.pager));
    assert!(readers[0].starts_with("worse critical") && pager[0].starts_with("new critical"), "{readers:?} {pager:?}");
    let kept = acks(&town.env().vault).await.unwrap().good;
    assert_eq!(kept[0].ended.as_ref().unwrap().why, "it got worse");
}

#[tokio::test]
async fn r35_a_digest_comes_every_monday_although_all_is_good() {
    let town = Town::new();
    assert_eq!(town.told().await, none(), "the first check only begins to count");
    let mut digests = Vec::new();
    for _ in 0..(14 * 24) {
        town.world.passes("1h");
        if town.world.clock.now().to_string().contains("T10:") {
            town.backs_up("now");
        }
        let (readers, pager) = town.told().await;
        let now = town.world.clock.now();
        assert!(pager.iter().all(|line| !line.starts_with("digest")), "nobody is paged to hear that all is well");
        digests.extend(readers.into_iter().filter(|line| line.starts_with("digest")).map(|line| format!("{now} {line}")));
    }
    let all_good = "digest: the one asset is as its policy asks";
    assert_eq!(digests, [format!("2026-11-23T08:00:00Z {all_good}"), format!("2026-11-30T08:00:00Z {all_good}")]);
}

#[tokio::test]
async fn r35_a_refused_delivery_goes_to_the_next_channel_is_a_finding_and_is_tried_again() {
    let town = Town::new();
    town.checks().await;
    town.readers.close();
    town.world.passes("21h");
    let failed = |at| RunState::Failed { at, reason: "disk full".to_owned() };
    town.world.asset("orders-db").ran("1m ago", failed).unwrap();
    let status = town.checks().await;
    let undelivered = status.findings().into_iter().find(|finding| finding.kind == FindingKind::NotDelivered).unwrap();
    assert!(
        undelivered.sentence.contains("nothing could be told to readers since") && undelivered.sentence.contains("503"),
        "{undelivered}"
    );
    // A pager wants what is critical, and hears of a warning that nobody else could.
    let pager = lines(&town.pager);
    assert!(pager.iter().any(|line| line.starts_with("new warning orders-db")), "{pager:?}");
    assert!(pager.iter().any(|line| line.starts_with("new warning nothing could be told to readers")), "{pager:?}");
    assert_eq!(town.later("5m").await, none(), "the pager knows, and the readers still refuse");

    town.readers.open();
    let (readers, pager) = town.later("5m").await;
    assert!(readers[0].starts_with("trial note nothing could be told here since"), "{readers:?}");
    assert!(readers.iter().any(|line| line.starts_with("new warning orders-db")), "{readers:?}");
    assert_eq!(pager, ["over note not-delivered is over after 10m"]);
    town.backs_up("1m ago");
    let (readers, pager) = town.later("5m").await;
    assert!(readers.iter().any(|line| line.starts_with("over note orders-db")), "{readers:?}");
    assert!(pager.iter().any(|line| line.starts_with("over note orders-db")), "what it was told instead ends there too: {pager:?}");
}

#[tokio::test]
async fn r35_a_channel_that_was_down_and_has_nothing_to_say_is_still_tried_until_it_works() {
    let town = Town::new();
    town.checks().await;
    town.readers.close();
    town.pager.close();
    town.later("25h").await;
    town.backs_up("1m ago");
    let status = town.checks().await;
    assert!(status.findings().iter().any(|finding| finding.kind == FindingKind::NotDelivered), "it is not forgotten with its alert");
    town.readers.open();
    town.pager.open();
    let (readers, _) = town.later("5m").await;
    assert!(readers[0].starts_with("trial"), "{readers:?}");
    assert!(town.checks().await.findings().iter().all(|finding| finding.kind != FindingKind::NotDelivered));
}

#[tokio::test]
async fn a_channel_that_never_answers_keeps_nobody_waiting_but_itself() {
    let town = Town::new();
    town.checks().await;
    town.world.passes("25h");
    town.readers.falls_asleep();
    let deadline = after(town.world.clock.now(), Duration::from_secs(6));
    let env = Env { deadline: Some(deadline), ..town.env() };
    let begun = std::time::Instant::now();
    let status = FreshnessChecker::default().run(&env).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(lines(&town.pager).iter().any(|line| line.contains(STALE)));
    assert!(status.findings().iter().any(|finding| finding.sentence.contains("it took nothing within 2s")), "{:?}", status.findings());
}

#[tokio::test]
async fn what_cannot_be_seen_is_not_over() {
    let town = Town::new();
    town.checks().await;
    town.later("25h").await;
    // The vault answers the checker's memory, and nothing of the asset.
    let mut status = town.checks().await;
    let orders = &mut status.assets[0];
    let unseen = lastgood_core::domain::freshness::unseen(
        town.world.config.assets.values().next().unwrap(),
        "access denied",
        town.world.clock.now(),
        "https://example.com/runbook",
    );
    *orders = unseen;
    freshness_checker::tell(&town.env(), &status, None, &mut Acks::read(&town.env()).await).await;
    let pager = lines(&town.pager);
    assert!(
        pager.iter().all(|line| !line.contains("is over")) && pager.iter().any(|line| line.contains("could not be looked at")),
        "{pager:?}"
    );
}

#[tokio::test]
async fn a_kill_between_delivery_and_remembering_tells_it_twice_and_never_not_at_all() {
    let town = Town::new();
    town.checks().await;
    let before = town.world.vault.bytes("catalog/v1/told.json").unwrap();
    town.later("25h").await;
    // As if the invocation had been killed before it could remember.
    town.world.vault.overwrite("catalog/v1/told.json", before);
    assert!(town.told().await.1.iter().any(|line| line.starts_with(&format!("new {STALE}"))), "once more");
    assert_eq!(town.told().await, none(), "and no third time");
}

#[tokio::test]
async fn what_an_older_version_told_is_not_told_again_and_is_over_in_its_time() {
    let town = Town::new();
    town.world.passes("25h");
    town.world.vault.overwrite("catalog/v1/told.json", old(&["orders-db/backup-stale/critical"]));
    let (readers, _) = town.told().await;
    assert!(readers.iter().all(|line| !line.contains(STALE)), "{readers:?}");
    town.backs_up("1m ago");
    assert!(town.told().await.0.contains(&"over note orders-db: backup-stale is over".to_owned()));
    assert_eq!(town.memory().channels.keys().collect::<Vec<_>>(), ["pager", "readers"]);
}

/// What the first version remembered of the first of two channels.
fn old(news: &[&str]) -> bytes::Bytes {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct First {
        channels: std::collections::BTreeMap<String, Vec<String>>,
    }
    impl lastgood_core::catalog::Record for First {
        const NAME: &'static str = "told";
    }
    let news = news.iter().map(ToString::to_string).collect();
    encode(&First { channels: [("webhook (1 of 2)".to_owned(), news)].into() }).unwrap()
}

#[tokio::test]
async fn two_checks_at_once_forget_nothing_of_each_other() {
    let town = Town::new();
    town.checks().await;
    town.world.passes("25h");
    let (one, other) = (town.env(), town.env());
    let (one, other) = tokio::join!(FreshnessChecker::default().run(&one), FreshnessChecker::default().run(&other));
    assert!(one.is_ok() && other.is_ok());
    town.readers.messages();
    town.pager.messages();
    assert_eq!(town.told().await, none());
}
