//! A dead checker says nothing: whoever else lives must.

use super::stage::{CONFIG, check, healthy, reconfigured};
use export_to_bucket::ExportToBucket;
use freshness_checker::observe_all;
use lastgood_core::{
    domain::finding::{FindingKind, Severity},
    function::{Exit, Findings, Function},
    host::watch,
};

#[tokio::test]
async fn r34_a_dead_checker_is_told_by_the_other_functions_once_and_is_over_with_its_next_check() {
    let world = healthy();
    world.passes("28h");
    assert_eq!(watch(&world.env(), "export-to-bucket").await, None, "two hours ago, then 28: within rpo and grace");
    world.passes("1h");
    let told = watch(&world.env(), "export-to-bucket").await.unwrap();
    assert_eq!((told.kind, told.severity), (FindingKind::CheckerDead, Severity::Critical));
    assert_eq!(told.sentence, "freshness-checker was last woken by its schedule 31h ago, it is due every 24h: nothing else is told");
    assert_eq!(world.inbox.take(), [format!("critical {}", told.sentence)]);
    assert!(watch(&world.env(), "cross-region-copy").await.is_some());
    assert_eq!(world.inbox.take(), [""; 0], "each channel hears of it once");
    assert_eq!(watch(&world.env(), "freshness-checker").await, None, "it does not speak of its own death");

    world.woken("freshness-checker", "now").unwrap();
    assert_eq!(watch(&world.env(), "export-to-bucket").await, None);
    check(&world).await;
    let heard = world.inbox.take();
    assert!(heard.iter().any(|line| line.contains("checker-dead is over")), "{heard:?}");
}

#[tokio::test]
async fn r34_status_says_that_the_checker_is_dead_whatever_the_checker_wrote_last() {
    let world = healthy();
    check(&world).await;
    world.passes("40h");
    let status = observe_all(&world.env(), None).await.unwrap();
    let dead = status.findings().into_iter().find(|finding| finding.kind == FindingKind::CheckerDead).unwrap();
    assert_eq!(dead.severity, Severity::Critical);
    assert_eq!(status.exit(), Exit::Stale);
}

#[tokio::test]
async fn r34_how_often_the_checker_is_due_can_be_said() {
    let mut world = healthy();
    reconfigured(&mut world, &CONFIG.replace("vault: file:///vault", "vault: file:///vault\ncheck_every: 1h"));
    world.woken("freshness-checker", "2h ago").unwrap();
    assert_eq!(watch(&world.env(), "export-to-bucket").await, None);
    world.passes("20m");
    let told = watch(&world.env(), "export-to-bucket").await.unwrap();
    assert!(told.sentence.contains("2h 20m ago, it is due every 1h"), "{told}");
}

#[tokio::test]
async fn r34_a_checker_that_no_schedule_ever_woke_is_not_dead_and_a_vault_used_by_hand_is_left_alone() {
    let world = lastgood_core::testing::World::new(super::stage::NOW, CONFIG).unwrap();
    ExportToBucket::default().run(&world.env()).await.unwrap();
    world.passes("400h");
    assert_eq!(watch(&world.env(), "export-to-bucket").await, None);
}
