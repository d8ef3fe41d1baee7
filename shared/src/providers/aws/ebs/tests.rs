//! Copies to another account, against recorded replies: what is asked of whom, and on whose behalf.

use super::EbsSnapshots;
use crate::{
    clock::SystemClock,
    config::Config,
    domain::{
        held::{Held, Label, Member, SnapshotName},
        place::Place,
    },
    error::Kind,
    ports::{Secret, Snapshots},
    providers::aws::{Access, Aws},
};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

type Asked = Vec<(String, BTreeMap<String, String>)>;
type Script = Arc<Mutex<(VecDeque<(u16, &'static str)>, Asked)>>;

async fn answer(State(script): State<Script>, headers: HeaderMap, body: String) -> (StatusCode, &'static str) {
    let signed = headers["authorization"].to_str().unwrap().split("Credential=").nth(1).unwrap();
    let who = signed.split('/').next().unwrap().to_owned();
    let mut script = script.lock().unwrap();
    script.1.push((who, url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()));
    let (status, body) = script.0.pop_front().unwrap_or((400, ""));
    (StatusCode::from_u16(status).unwrap(), body)
}

/// The snapshots of a volume in account 444455556666, behind a service that gives these answers in turn.
async fn there(answers: &[(u16, &'static str)]) -> (EbsSnapshots, Script) {
    let script: Script = Arc::default();
    script.lock().unwrap().0 = answers.iter().copied().collect();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
    let router = Router::new().fallback(answer).with_state(script.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let credentials = Some(("AKIDTEST".to_owned(), Secret::new("a-secret-for-tests-only")));
    let aws = Arc::new(Aws::new(Access { endpoint, credentials }));
    let yaml = "vault: file:///srv/vault\nassets:\n  data: { kind: volume, provider: aws, volume: vol-1, region: eu-west-1, \
                copies: [{ region: eu-west-1, account: \"444455556666\", kms_key: alias/theirs }] }\n";
    let asset = Config::parse(yaml, "lastgood.yaml").unwrap().assets.into_values().next().unwrap();
    let at: Place = "aws://eu-west-1/444455556666".parse().unwrap();
    (EbsSnapshots::open(aws, &asset, &at, Arc::new(SystemClock)).await.unwrap(), script)
}

fn original() -> (Label, Held) {
    let name = SnapshotName("lastgood-data-20261120t040000z".into());
    let label = Label { name: name.clone(), asset: "data".parse().unwrap(), backup: "01KAFYF000B5M1Y0Z9P4T1D3QK".parse().unwrap() };
    let member = Member { of: "vol-1".into(), reference: "snap-1".into(), bytes: 8 << 30, encrypted: true };
    let held = Held {
        place: "aws://eu-west-1".parse().unwrap(),
        name,
        reference: "snap-1".into(),
        engine: "volume".into(),
        bytes: 8 << 30,
        encrypted: true,
        key: None,
        members: vec![member],
        settings: BTreeMap::new(),
    };
    (label, held)
}

const THEIRS: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKIDTHEIRS</AccessKeyId>\
    <SecretAccessKey>theirs</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
    </AssumeRoleResult></AssumeRoleResponse>";
const NONE: &str = "<DescribeSnapshotsResponse><snapshotSet/></DescribeSnapshotsResponse>";
const ORIGINAL: &str = "<DescribeSnapshotsResponse><snapshotSet><item><snapshotId>snap-1</snapshotId><volumeId>vol-1</volumeId>\
    <status>completed</status><startTime>2026-11-20T04:00:00Z</startTime><volumeSize>8</volumeSize><encrypted>true</encrypted>\
    <tagSet><item><key>team</key><value>shop</value></item></tagSet></item></snapshotSet></DescribeSnapshotsResponse>";

#[tokio::test]
async fn a_copy_for_another_account_is_shared_by_us_and_made_by_the_role_that_it_keeps_for_us() {
    let copied = "<CopySnapshotResponse><snapshotId>snap-9</snapshotId></CopySnapshotResponse>";
    let shared = "<ModifySnapshotAttributeResponse><return>true</return></ModifySnapshotAttributeResponse>";
    let (there, script) = there(&[(200, THEIRS), (200, NONE), (200, ORIGINAL), (200, shared), (200, copied)]).await;
    let (label, held) = original();
    there.begin_copy(&label, &held).await.unwrap();
    let asked = script.lock().unwrap().1.clone();
    let actions: Vec<_> = asked.iter().map(|(who, asked)| (who.as_str(), asked["Action"].as_str())).collect();
    assert_eq!(
        actions,
        [
            ("AKIDTEST", "AssumeRole"),
            ("AKIDTHEIRS", "DescribeSnapshots"),
            ("AKIDTEST", "DescribeSnapshots"),
            ("AKIDTEST", "ModifySnapshotAttribute"),
            ("AKIDTHEIRS", "CopySnapshot")
        ]
    );
    assert_eq!((asked[3].1["UserId.1"].as_str(), asked[3].1["SnapshotId"].as_str()), ("444455556666", "snap-1"));
    let copy = &asked[4].1;
    assert_eq!(
        (copy["KmsKeyId"].as_str(), copy["Encrypted"].as_str(), copy["SourceSnapshotId"].as_str()),
        ("alias/theirs", "true", "snap-1")
    );
    let tags: BTreeMap<_, _> = (1..)
        .map_while(|n| Some((copy.get(&format!("TagSpecification.1.Tag.{n}.Key"))?, &copy[&format!("TagSpecification.1.Tag.{n}.Value")])))
        .collect();
    let tag = |key: &str| tags[&key.to_owned()].as_str();
    assert_eq!((tag("lastgood:volume"), tag("lastgood:data-time"), tag("team")), ("vol-1", "2026-11-20T04:00:00Z", "shop"));
    assert!(!copy.contains_key("PresignedUrl"), "the region is the same");
}

#[tokio::test]
async fn what_is_under_the_default_key_cannot_be_shared_and_says_so() {
    let refused = "<Response><Errors><Error><Code>OperationNotPermitted</Code><Message>Encrypted snapshots with EBS default key cannot be \
        shared</Message></Error></Errors></Response>";
    let (there, script) = there(&[(200, THEIRS), (200, NONE), (200, ORIGINAL), (400, refused)]).await;
    let (label, held) = original();
    let error = there.begin_copy(&label, &held).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert!(error.advice().unwrap().contains("default key aws/ebs"), "{:?}", error.advice());
    assert!(script.lock().unwrap().1.iter().all(|(_, asked)| asked["Action"] != "CopySnapshot"));
}
