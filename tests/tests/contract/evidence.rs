//! Evidence outlives deploys: version 1 stays readable, byte for byte, and its page asks the network for nothing.

use lastgood_core::{
    catalog::{
        decode, encode,
        evidence::{
            Drilled, Evidence, EvidenceKey, Link, Objectives, Position, PublicKey, ReplicaSeen, Statement, open, page, signed_page,
        },
    },
    domain::{
        attest::{Claim, Facts, Signature, controls},
        backup::{Form, Method},
        compare::CheckResult,
        drill::{ReplicaName, Verdict},
    },
};
use sha2::Digest;

const GOLDEN: &str = include_str!("../golden/evidence-v1.json");
const LINK: &str = include_str!("../golden/evidence-link-v1.json");
/// Made by `openssl genpkey -algorithm ed25519` for this test, and of no other use.
const KEY: &str =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIFdkSagSELShTqJxfN3fGXa2+PY9PVFIWHFe4Ijz9dTq\n-----END PRIVATE KEY-----\n";

fn evidence() -> Evidence {
    Evidence {
        drill: "01KAFYV7R0ENSV9ZHHSMG8BXWQ".parse().unwrap(),
        asset: "orders-db".parse().unwrap(),
        verdict: Verdict::Failed,
        reason: Some("rows of public.orders: expected 52000, found 0: the table is empty".to_owned()),
        backup: Some(Drilled {
            id: "01KAFH5B00A1B2C3D4E5F6G7H8".parse().unwrap(),
            method: Method::PgDumpCustom,
            form: Form::Export,
            from: "s3://acme-backups-west/lastgood".parse().unwrap(),
            data_time: "2026-11-20T02:00:04Z".parse().unwrap(),
            stored_bytes: 563_200_000,
        }),
        restore_test: None,
        replica: ReplicaSeen {
            name: ReplicaName("lastgood-drill-orders-db-20261120t060000z".to_owned()),
            kind: "scratch".to_owned(),
            gone_at: "2026-11-20T06:03:20Z".parse().unwrap(),
        },
        started_at: "2026-11-20T06:00:00Z".parse().unwrap(),
        finished_at: "2026-11-20T06:03:20Z".parse().unwrap(),
        restore_seconds: Some(187.25),
        objectives: Objectives { rto: "4h".parse().unwrap(), rto_met: Some(true), rpo: "24h".parse().unwrap(), rpo_met: Some(true) },
        checks: vec![
            CheckResult::passed("encoding", "UTF8", "UTF8"),
            CheckResult::passed("rows of public.users", "1200", "1200"),
            CheckResult::failed("rows of public.orders", "52000", "0: the table is empty"),
            CheckResult::could_not_verify("collation version", "2.36", "2.41 here, 2.36 in the catalog: restorable with reindex"),
        ],
        tools: [("pg_restore".to_owned(), "15.18".to_owned()), ("postgres".to_owned(), "15.18".to_owned())].into(),
        unsigned: None,
    }
}

#[test]
fn r50_version_1_evidence_stays_readable_and_is_still_what_we_write() {
    assert_eq!(decode::<Evidence>(GOLDEN.as_bytes()).unwrap(), evidence());
    assert_eq!(String::from_utf8(encode(&evidence()).unwrap().to_vec()).unwrap(), GOLDEN);
}

fn link() -> Link {
    let key = EvidenceKey::load(&lastgood_core::ports::Secret::new(KEY)).unwrap();
    let evidence = evidence();
    let facts = Facts { verdict: evidence.verdict, rto_met: Some(true), rpo_met: Some(true), from_copy: Some(true) };
    let mapped = Claim::ALL.into_iter().map(|claim| (claim, vec![format!("SOC2 {claim}")])).collect();
    let record = hex::encode(sha2::Sha256::digest(GOLDEN));
    let place = Position { number: 7, previous: Some("ab".repeat(32)) };
    Statement::of(&evidence, record, None, controls(&facts, &mapped), place).sign(&key).unwrap()
}

#[test]
fn r50_version_1_links_stay_readable_and_are_still_what_we_sign() {
    assert_eq!(String::from_utf8(link().bytes.to_vec()).unwrap(), LINK);
    let opened = open(LINK.as_bytes()).unwrap();
    assert_eq!(opened.statement, link().statement);
    let key = EvidenceKey::load(&lastgood_core::ports::Secret::new(KEY)).unwrap();
    let public = PublicKey::parse(&key.public_pem().unwrap()).unwrap();
    assert_eq!(opened.signature(&[public]), Signature::Good(key.id().to_owned()));
}

#[test]
fn a_signed_page_shows_link_key_and_controls_and_asks_the_network_for_nothing() {
    let html = signed_page(&evidence(), Some(&link()));
    for told in ["7 of this asset", &"ab".repeat(32), &link().key, "SOC2 restore-test", "not met", "lastgood evidence verify orders-db"] {
        assert!(html.contains(told), "{told}");
    }
    for outside in ["<script", "src=", "href=", "url(", "@import"] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn the_page_says_the_verdict_first_and_asks_the_network_for_nothing() {
    let html = page(&evidence());
    for outside in ["<script", "src=", "href=", "url(", "@import", "<img", "<link", "<iframe"] {
        assert!(!html.contains(outside), "{outside}");
    }
    let order = ["<h1", "Failed", "expected 52000, found 0", "What to do next", "lastgood verify orders-db", "What was restored"];
    let at: Vec<_> = order.iter().map(|text| html.find(text).unwrap_or_else(|| panic!("{text} is missing"))).collect();
    assert!(at.is_sorted(), "{at:?}");
    assert!(html.contains("s3://acme-backups-west/lastgood"));
}

#[test]
fn whatever_a_source_is_called_the_page_shows_it_as_text() {
    let mut hostile = evidence();
    hostile.checks.push(CheckResult::passed("rows of public.<script>alert(1)</script>", "1", "1"));
    hostile.reason = Some("\"><img onerror=x>".to_owned());
    let html = page(&hostile);
    assert!(!html.contains("<script>") && !html.contains("<img"));
}
