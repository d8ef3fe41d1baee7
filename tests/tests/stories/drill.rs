//! Drills over real Postgres: what is proven, what is not, and that nothing is ever left behind.

use lastgood_core::{
    catalog::{Key, evidence::Evidence},
    domain::{
        backup::{Form, Method},
        drill::Verdict,
    },
    function::{Exit, Findings, Function, Outcome},
};
use lastgood_tests::{
    drills::{House, shop},
    pg::Cluster,
};
use restore_drill::{DrillReport, Drilled, RestoreDrill};

const SCRATCH: &str = "{ schedule: \"0 6 * * *\", into: scratch }";

fn now() -> RestoreDrill {
    RestoreDrill { asset: Some(shop()), now: true, ..RestoreDrill::default() }
}

fn drilled(report: &DrillReport) -> &Drilled {
    match &report.entries[0].outcome {
        Outcome::Done(drilled) => drilled,
        other => panic!("{other:#?}"),
    }
}

async fn evidence(house: &House, drilled: &Drilled) -> Evidence {
    house.env.vault.load::<Evidence>(&Key::Drill(shop(), drilled.drill)).await.unwrap().unwrap().record
}

#[tokio::test]
async fn every_form_of_backup_is_proven_and_nothing_is_left() {
    let source = Cluster::start().await;
    source.lifelike(500).await;
    let before = source.fingerprint("shop").await;
    for method in [Method::PgDumpCustom, Method::PgDumpPlain, Method::PgDumpDirectory, Method::PgBaseBackup] {
        let house = House::new(&source.url("shop"), SCRATCH);
        let backup = house.back_up(method).await;
        let report = now().run(&house.env).await.unwrap();
        let drilled = drilled(&report);
        let evidence = evidence(&house, drilled).await;
        assert_eq!(drilled.verdict, Verdict::Proven, "{method:?}: {:#?}", evidence);
        assert_eq!(report.exit(), Exit::Good);
        assert_eq!(drilled.backup, Some(backup.id));
        assert!(evidence.proves(backup.id));
        assert!(evidence.checks.iter().any(|check| check.name == "rows of public.orders" && check.found == "500"), "{method:?}");
        assert!(evidence.checks.iter().any(|check| check.name.starts_with("digest of")), "{method:?}");
        assert_eq!(evidence.backup.as_ref().unwrap().form, if method == Method::PgBaseBackup { Form::Snapshot } else { Form::Export });
        assert_eq!(evidence.objectives.rto_met, Some(true));
        assert_eq!(house.leftovers(), Vec::<String>::new(), "{method:?}");
        assert!(std::fs::read_to_string(house.object(&drilled.page)).unwrap().contains("Proven"));
    }
    assert_eq!(source.fingerprint("shop").await, before, "I4: a drill leaves production as it was");
}
