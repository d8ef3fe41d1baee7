//! How a bucket of S3 is kept: versions, encryption, Object Lock, lifecycle, exposure.
//!
//! Each is one small request of its own. They go out as the SDK's `GetObject` of another address, with its retries, time
//! limits, signature and region: a client for each would cost every function half a megabyte that it reads at each cold start.
//! A store that does not know a question leaves it open; a right that is missing is named.

use super::{
    bucket::S3,
    error::{Asked, code},
};
use crate::{
    domain::posture::{BucketPosture, Encryption, Exposure, Lifecycle, Lock},
    error::{Error, Kind, Result, failed, unsupported},
    providers::aws::kept_xml as xml,
};

/// No answer to any of these is longer: a bucket has at most 1,000 lifecycle rules.
const MOST: usize = 1 << 20;

/// One question about a bucket.
#[derive(Debug, Clone, Copy)]
struct Question {
    /// What it is about, for people.
    what: &'static str,
    /// How S3 is asked: `?versioning`.
    query: &'static str,
    /// The right that it takes.
    action: &'static str,
    /// What S3 says where nothing is set.
    unset: &'static str,
}

const VERSIONING: Question = Question { what: "versioning", query: "versioning", action: "s3:GetBucketVersioning", unset: "" };
const ENCRYPTION: Question = Question {
    what: "encryption",
    query: "encryption",
    action: "s3:GetEncryptionConfiguration",
    unset: "ServerSideEncryptionConfigurationNotFoundError",
};
const LOCK: Question = Question {
    what: "Object Lock",
    query: "object-lock",
    action: "s3:GetBucketObjectLockConfiguration",
    unset: "ObjectLockConfigurationNotFoundError",
};
const LIFECYCLE: Question =
    Question { what: "lifecycle", query: "lifecycle", action: "s3:GetLifecycleConfiguration", unset: "NoSuchLifecycleConfiguration" };
const BLOCK: Question = Question {
    what: "block of public access",
    query: "publicAccessBlock",
    action: "s3:GetBucketPublicAccessBlock",
    unset: "NoSuchPublicAccessBlockConfiguration",
};
const POLICY: Question =
    Question { what: "policy", query: "policyStatus", action: "s3:GetBucketPolicyStatus", unset: "NoSuchBucketPolicy" };
const LIST: Question = Question { what: "access list", query: "acl", action: "s3:GetBucketAcl", unset: "" };

/// Looks at all of it.
pub(super) async fn posture(s3: &S3) -> Result<BucketPosture> {
    s3.connection().await?;
    let (versioning, encryption, lock, lifecycle, block) = tokio::join!(
        answer(s3, VERSIONING, xml::versioning, || false),
        answer(s3, ENCRYPTION, xml::encryption, || Encryption::Nothing),
        answer(s3, LOCK, xml::lock, || Lock::Off),
        answer(s3, LIFECYCLE, xml::lifecycle, Vec::<Lifecycle>::new),
        answer(s3, BLOCK, xml::block, xml::Block::default),
    );
    let mut posture = BucketPosture::default();
    let unseen = &mut posture.unseen;
    posture.versioning = told(versioning, VERSIONING, unseen);
    posture.encryption = told(encryption, ENCRYPTION, unseen);
    posture.lock = told(lock, LOCK, unseen);
    posture.lifecycle = told(lifecycle, LIFECYCLE, unseen);
    if let Some(block) = told(block, BLOCK, unseen) {
        posture.exposure = Box::pin(exposure(s3, &block, unseen)).await;
    }
    Ok(posture)
}

/// What is not blocked is looked at. What cannot be looked at is not closed.
async fn exposure(s3: &S3, block: &xml::Block, unseen: &mut Vec<(String, String)>) -> Option<Exposure> {
    if block.restricts_policies() && block.ignores_lists() {
        return Some(block.gaps().map_or(Exposure::Closed, Exposure::Unguarded));
    }
    let (policy, list) = tokio::join!(answer(s3, POLICY, xml::public_policy, || false), answer(s3, LIST, xml::public_list, || false));
    let (policy, list) = (told(policy, POLICY, unseen), told(list, LIST, unseen));
    if policy == Some(true) && !block.restricts_policies() {
        return Some(Exposure::Public("its policy lets everybody in".to_owned()));
    }
    if list == Some(true) && !block.ignores_lists() {
        return Some(Exposure::Public("its access list lets everybody in".to_owned()));
    }
    block.gaps().map(Exposure::Unguarded)
}

/// Keeps an answer, or notes why there is none.
fn told<T>(answer: Result<Option<T>>, question: Question, unseen: &mut Vec<(String, String)>) -> Option<T> {
    answer.unwrap_or_else(|error| {
        unseen.push((question.what.to_owned(), error.full()));
        None
    })
}

/// Asks one question; none where the store does not know it.
async fn answer<T>(s3: &S3, question: Question, read: fn(&[u8]) -> Option<T>, unset: impl Fn() -> T) -> Result<Option<T>> {
    let foreign = s3.connection().await?.foreign;
    let reply = match ask(s3, question).await {
        Ok(Some(reply)) => reply,
        Ok(None) => return Ok(Some(unset())),
        Err(error) if error.kind() == Kind::Unsupported || (foreign && is_strange(&error)) => return Ok(None),
        Err(error) => return Err(error),
    };
    match read(&reply) {
        Some(answer) => Ok(Some(answer)),
        None if foreign => Ok(None),
        None => Err(unsupported(format!("S3 answered {} in words that this build does not know", question.action))),
    }
}

/// Whether a store that is not Amazon's only says, in words of its own, that it does not know the question.
fn is_strange(error: &Error) -> bool {
    matches!(error.kind(), Kind::Invalid | Kind::Failed | Kind::NotFound)
}

/// Sends the question; none where S3 says that nothing is set.
async fn ask(s3: &S3, question: Question) -> Result<Option<Vec<u8>>> {
    /// The key that stands in the address until the question takes its place.
    const KEY: &str = "posture";
    let request = s3.connection().await?.client.get_object().bucket(s3.name()).key(KEY).set_expected_bucket_owner(s3.owner());
    let sent = request.customize().map_request(move |mut request| {
        let (path, _) = request.uri().split_once('?').unwrap_or((request.uri(), ""));
        let uri = format!("{}?{}", path.strip_suffix(KEY).unwrap_or(path), question.query);
        request.set_uri(uri).map(|()| request)
    });
    let found = match sent.send().await {
        Ok(found) => found,
        Err(error) if !question.unset.is_empty() && code(&error) == question.unset => return Ok(None),
        Err(error) => return Err(Asked { action: question.action, of: s3.name() }.refused_with(&error)),
    };
    let body = found.body.collect().await.map_err(|error| crate::error::retry("the store's answer broke off").because(error))?;
    let body = body.into_bytes();
    if body.len() > MOST { Err(failed(format!("the answer about {} is too long", question.what))) } else { Ok(Some(body.to_vec())) }
}
