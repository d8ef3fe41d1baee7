//! The *cleaning* team: a nightly `pg_dump -Fc` kept for 14 days and 4 weeks, restored into a database of another name,
//! with its checksum, its migration head and the time it took. Their runbook's mistakes are designed out: the checksum is
//! not optional, age alone prunes nothing, and nothing is restored over what is there.

use lastgood_tests::{
    desk::{Desk, flip},
    pg::Cluster,
};
use std::process::Command;

const CONFIG: &str = r#"
vault: file://HOME/vault
defaults: { rpo: 24h, rto: 4h, retention: { daily: 14, weekly: 4 } }
assets:
  cleaning-db:
    kind: postgres
    url: env:CLEANING_URL
    export: { schedule: "0 2 * * *", format: custom }
    copies: [ { vault: "file://HOME/bucket" } ]
    drill:
      schedule: "0 5 * * 1"
      checks:
        - { sql: "select count(*) from orders", expect: ">= 1" }
        - { migration: alembic_version, equals_source: true }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nightly_job_the_drill_checklist_and_the_restore_by_hand() {
    let cluster = Cluster::start().await;
    cluster.lifelike(400).await;
    let desk = Desk::new(CONFIG).with("CLEANING_URL", &cluster.url("shop")).with("RESTORE_URL", &cluster.url("cleaning_restore"));

    // Nightly cron.
    desk.good("export --scheduled").await;
    desk.good("copy --scheduled").await;
    let twice = desk.good("export --scheduled --json").await.report();
    assert_eq!(twice["entries"][0]["outcome"], "not-due", "a second wake-up in the same slot does nothing: {twice:#}");

    // "verify checksum if available": it is always available, and anyone's tool reads it.
    let sidecar = desk.artifacts("cleaning-db", ".sha256").remove(0);
    let sums = Command::new("sha256sum").arg("-c").arg(&sidecar).current_dir(sidecar.parent().unwrap()).output().unwrap();
    assert!(sums.status.success(), "{}", String::from_utf8_lossy(&sums.stdout));

    // The drill checklist, with the duration from start to validation against the RTO.
    let drill = desk.good("drill cleaning-db --json").await.report();
    let drilled = &drill["entries"][0];
    assert_eq!((drilled["verdict"].as_str(), drilled["rto_met"].as_bool()), (Some("proven"), Some(true)), "{drill:#}");
    assert!(drilled["restore_seconds"].as_f64().unwrap() > 0.0);

    // Restore into a database of another name, then hold it against the source, row for row.
    desk.good("restore cleaning-db --latest --into env:RESTORE_URL --apply").await;
    assert_eq!(cluster.fingerprint("cleaning_restore").await, cluster.fingerprint("shop").await);

    // A damaged dump is refused before anything is touched.
    flip(&desk.artifacts("cleaning-db", ".dump.zst")[0], 300);
    let desk = desk.with("SECOND_URL", &cluster.url("second_restore"));
    let refused = desk.types("restore cleaning-db --latest --into env:SECOND_URL --apply").await;
    assert_eq!(refused.exit, Some(1), "R12 R14: {refused:#?}");
    assert_eq!(
        cluster.cell("postgres", "select count(*) from pg_database where datname = 'second_restore'").await,
        "0",
        "the target was touched"
    );
    // … and the copy is there for that very day.
    let from = format!("restore cleaning-db --latest --into env:SECOND_URL --apply --from file://{}", desk.path("bucket").display());
    desk.good(&from).await;
    assert_eq!(cluster.fingerprint("second_restore").await, cluster.fingerprint("shop").await);
}
