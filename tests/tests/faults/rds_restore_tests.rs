//! Restore tests of AWS Backup when everything goes wrong around them: kills, lost replies, two at once, throttles, rights.

use lastgood_core::{clock::Clock, domain::drill::Verdict, function::Function};
use lastgood_tests::aws::{
    Lost,
    estate::{Estate, HOME, PRODUCTION},
};
use restore_drill::RestoreDrill;
use std::time::Duration;

const MADE: &str = "awsbackup-restore-test-1a2b3c4d";

/// An estate whose drill of the day is done, in which AWS Backup has restored production to test it.
async fn estate(test: &str) -> Option<Estate> {
    let estate = Estate::build(test).await?.testing_restores();
    estate.clock.set("2026-11-20T06:00:00Z".parse().unwrap());
    estate.aws.restores_to_test(HOME, PRODUCTION, MADE, &estate.network).await;
    estate.aws.faults().rules(|rules| rules.looks = 0);
    estate.aws.backup().restored(HOME, "JOB-1", PRODUCTION, MADE, |_| ());
    Some(estate)
}

async fn wake(estate: &Estate, holder: &str) {
    RestoreDrill::default().run(&estate.another(holder)).await.unwrap();
}

async fn verdicts(estate: &Estate) -> Vec<Verdict> {
    let all = estate.evidence().await;
    all.iter().filter(|evidence| evidence.restore_test.is_some()).map(|evidence| evidence.verdict).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_a_test_killed_after_any_call_is_gone_on_with_and_told_once() {
    let Some(estate) = estate("restore_tests::r25").await else { return };
    for k in 1.. {
        let job = format!("K-{k}");
        if k > 1 {
            estate.aws.backup().restored(HOME, &job, PRODUCTION, MADE, |_| ());
            // What was listed a moment ago still serves.
            estate.clock.advance(Duration::from_mins(5));
        }
        let job = if k == 1 { "JOB-1".to_owned() } else { job };
        let drill = RestoreDrill::default();
        let killed = estate.another(&format!("killed {k}"));
        let ended = estate.aws.faults().killed_after(k, drill.run(&killed)).await;
        for _ in 0..3 {
            estate.clock.advance(Duration::from_mins(5));
            wake(&estate, "next").await;
        }
        let told = estate.aws.backup().told(&job);
        assert_eq!((told.len(), told[0].0.as_str()), (1, "SUCCESSFUL"), "killed after call {k}: {told:?}");
        assert_eq!(verdicts(&estate).await.len(), k, "killed after call {k}: one evidence each");
        assert!(estate.instances(HOME).await.contains(&MADE.to_owned()), "killed after call {k}");
        if ended.is_some() {
            assert!(k > 8, "a test makes more calls than {k}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r03_a_verdict_whose_reply_or_request_was_lost_is_told_once() {
    let Some(estate) = estate("restore_tests::r03").await else { return };
    estate.aws.faults().lose("PutRestoreValidationResult", 1, Lost::Reply);
    wake(&estate, "first").await;
    assert_eq!(estate.aws.backup().told("JOB-1").len(), 1, "it took effect, and is known to have");
    estate.clock.advance(Duration::from_mins(5));
    wake(&estate, "second").await;
    assert_eq!((estate.aws.calls("PutRestoreValidationResult"), verdicts(&estate).await), (1, vec![Verdict::Proven]));

    estate.aws.backup().restored(HOME, "JOB-2", PRODUCTION, MADE, |_| ());
    estate.aws.faults().lose("PutRestoreValidationResult", 2, Lost::Request);
    for holder in ["third", "fourth"] {
        estate.clock.advance(Duration::from_mins(5));
        wake(&estate, holder).await;
    }
    assert_eq!(estate.aws.backup().told("JOB-2").len(), 1);
    assert_eq!(verdicts(&estate).await.len(), 2, "the evidence of the first attempt stands");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r33_two_at_once_test_once_and_tell_once() {
    let Some(estate) = estate("restore_tests::r33").await else { return };
    tokio::join!(wake(&estate, "one"), wake(&estate, "other"));
    estate.clock.advance(Duration::from_mins(5));
    wake(&estate, "next").await;
    assert_eq!((estate.aws.backup().told("JOB-1").len(), verdicts(&estate).await), (1, vec![Verdict::Proven]));
    let changed = estate.aws.faults().calls_of("ModifyDBInstance");
    assert_eq!(changed.iter().filter(|call| call.get("DBInstanceIdentifier") == MADE).count(), 1, "its password was set once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_each_right_that_a_test_lacks_is_named_and_throttles_are_waited_out() {
    let Some(estate) = estate("restore_tests::r41").await else { return };
    for right in ["backup:ListRestoreJobs", "backup:DescribeRestoreJob", "backup:PutRestoreValidationResult"] {
        estate.aws.faults().deny(right);
        let report = RestoreDrill::default().run(&estate.another("without")).await.unwrap();
        let said = format!("{report:?}");
        assert!(said.contains(right) && said.contains("allow "), "{right}: {said}");
        assert!(estate.aws.backup().told("JOB-1").is_empty());
        estate.aws.faults().allow_all();
        estate.clock.advance(Duration::from_mins(5));
    }
    estate.aws.faults().throttle_every(4);
    wake(&estate, "throttled").await;
    estate.aws.faults().throttle_every(0);
    let told = estate.aws.backup().told("JOB-1");
    assert_eq!((told.len(), told[0].0.as_str()), (1, "SUCCESSFUL"), "{told:?}");
    assert!(estate.clock.now() > "2026-11-20T06:10:00Z".parse().unwrap());

    // A password that may not be set leaves open what the data are.
    estate.aws.backup().restored(HOME, "JOB-2", PRODUCTION, MADE, |_| ());
    estate.clock.advance(Duration::from_mins(5));
    estate.aws.faults().deny("rds:ModifyDBInstance");
    wake(&estate, "without").await;
    estate.aws.faults().allow_all();
    let told = estate.aws.backup().told("JOB-2");
    assert!(told[0].0 == "TIMED_OUT" && told[0].1.contains("rds:ModifyDBInstance"), "{told:?}");
}
