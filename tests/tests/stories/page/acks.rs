//! What somebody acknowledged, on the page: it says who, until when and why, and takes nothing away.

use super::{text, world};
use freshness_checker::{
    FreshnessChecker, look,
    page::{Evidence, page as page_of},
};
use lastgood_core::{
    catalog::Key,
    clock::{Clock, after},
    domain::{
        finding::{FindingKind, Severity},
        tell::Ack,
    },
    function::{Findings, Function},
    testing::World,
};
use lastgood_tests::desk::Desk;
use std::time::Duration;

/// Somebody knows for two days that billing-db's backup is stale.
pub async fn acknowledges(world: &World, severity: Severity, why: &str) {
    let at = world.clock.now();
    let ack = Ack {
        asset: Some("billing-db".parse().unwrap()),
        kind: FindingKind::BackupStale,
        severity,
        by: "ana".to_owned(),
        why: why.to_owned(),
        at,
        until: after(at, Duration::from_hours(48)),
        ended: None,
    };
    world.env().vault.save(&Key::Ack(ack.topic()), &ack).await.unwrap();
}

/// Checks, and returns the page that the check leaves.
async fn left(world: &World) -> String {
    FreshnessChecker::default().run(&world.env()).await.unwrap();
    text(world, &Key::StatusPage)
}

/// The findings of a page, each as what it is classed as and what is written in it.
fn items(page: &str) -> Vec<&str> {
    let list = page.split("<ul class=\"findings\">").nth(1).and_then(|rest| rest.split("</ul>").next()).unwrap_or_default();
    list.split("<li").skip(1).collect()
}

const LINE: &str = "<p class=\"next\">acknowledged by ana until <time datetime=\"2026-11-22T12:00:00Z\">2026-11-22 12:00:00Z</time>: \
                    disk is ordered</p>";

#[tokio::test]
async fn the_page_says_who_knows_of_a_finding_until_when_and_why_and_the_finding_keeps_its_place() {
    let world = world();
    let before = left(&world).await;
    assert!(!before.contains("acknowledged by") && !before.contains("Somebody knows of"));
    acknowledges(&world, Severity::Critical, "disk is ordered").await;
    let page = left(&world).await;
    let acknowledged: Vec<_> = items(&page).into_iter().filter(|item| item.contains(LINE)).collect();
    assert_eq!(acknowledged.len(), 1, "{page}");
    assert!(acknowledged[0].contains("newest backup is 40h old"), "it stands below what it is about: {}", acknowledged[0]);
    let bare: Vec<_> = items(&page).into_iter().map(|item| item.replace(LINE, "")).collect();
    assert_eq!(bare, items(&before), "nothing moved, nothing is less bad, nothing else is said");
    assert!(page.contains("2 findings need somebody") && page.contains("Somebody knows of 1 of the findings."), "{page}");
    let looked = look(&world.env(), None).await.unwrap();
    assert!(page_of(&looked, &Evidence::Elsewhere).contains(LINE), "a report says the same");

    world.passes("49h");
    let expired = left(&world).await;
    assert!(expired.contains("newest backup is 3d 17h old"), "it is still there: {expired}");
    assert!(!expired.contains("acknowledged by") && !expired.contains("Somebody knows of"), "{expired}");
}

#[tokio::test]
async fn what_somebody_wrote_is_shown_as_text() {
    let world = world();
    acknowledges(&world, Severity::Critical, "</p><script>alert(1)</script><img src=x onerror=\"alert(2)\">").await;
    let page = left(&world).await;
    for bad in ["<script", "<img", "onerror=\""] {
        assert!(!page.contains(bad), "{bad}");
    }
    assert!(page.contains("acknowledged by ana") && page.contains("&lt;script&gt;alert(1)"), "it is told all the same");
}

#[tokio::test]
async fn a_finding_that_is_worse_than_what_somebody_knew_of_is_not_shown_as_known() {
    let world = world();
    let status = FreshnessChecker::default().run(&world.env()).await.unwrap();
    let stale = status.findings().into_iter().find(|finding| finding.kind == FindingKind::BackupStale).unwrap();
    assert!(stale.severity > Severity::Note);
    acknowledges(&world, Severity::Note, "disk is ordered").await;
    assert!(!left(&world).await.contains("acknowledged by"));
}

#[tokio::test]
async fn an_acknowledgement_that_cannot_be_read_leaves_the_page_as_it_is_without_it() {
    let world = world();
    let before = left(&world).await;
    world.vault.overwrite("catalog/v1/acks/billing-db/backup-stale.json", "{ it was cut of");
    assert_eq!(left(&world).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_acknowledges_stands_in_the_report_and_on_the_page_of_the_vault() {
    let desk = Desk::new(super::ON_DISK);
    desk.types("check").await;
    desk.good("ack orders-db never-succeeded --for 3d --why late --by ana").await;
    desk.types("check").await;
    desk.types("report --html report.html").await;
    for page in ["vault/status/index.html", "report.html"] {
        let html = std::fs::read_to_string(desk.path(page)).unwrap();
        assert!(html.contains("acknowledged by ana until") && html.contains("</time>: late</p>"), "{page}: {html}");
    }
    let status = desk.types("status").await;
    assert!(status.stdout.contains("acknowledged by ana until"), "{status:#?}");
    let report = desk.types("report").await;
    assert!(report.stdout.contains("acknowledged by ana until"), "{report:#?}");
}
