//! The door that every request comes through: it must be signed, it meets its fate, and RDS gets what moto cannot do.

use super::{
    backup::RestoreJobs,
    ec2::Ec2,
    elasticache::ElastiCache,
    faults::{Fate, Faults},
    rds::Rds,
    wire::{Call, Failure, Refusal, forward, hang_up},
};
use crate::{engine::Lost, s3::KEY_ID};
use axum::body::{Body, to_bytes};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;

/// What stands behind the door.
pub struct Behind {
    /// moto.
    pub moto: SocketAddr,
    /// RDS, as far as it is ours.
    pub rds: Rds,
    /// Volumes and their snapshots, as far as they are ours.
    pub ec2: Ec2,
    /// Restore jobs of AWS Backup.
    pub backup: RestoreJobs,
    /// Caches, as far as they are ours.
    pub caches: ElastiCache,
    /// What goes wrong.
    pub faults: Faults,
}

/// Opens the door and returns its address. It closes with the runtime.
pub async fn open(behind: Arc<Behind>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the emulator");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let behind = behind.clone();
            let answer = service_fn(move |request| serve(behind.clone(), request));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
        }
    });
    address
}

async fn serve(behind: Arc<Behind>, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
    let (head, body) = request.into_parts();
    let body = to_bytes(Body::new(body), usize::MAX).await?;
    let Some(call) = Call::read(&head.method, &head.uri, &head.headers, &body) else {
        let refusal = Refusal::new("MissingAuthenticationToken", "Request is missing Authentication Token");
        return Ok(refusal.with_status(403).answer("rds"));
    };
    if let Some(refusal) = unknown(&call) {
        return Ok(refusal.answer(&call.service));
    }
    let lost = match behind.faults.meet(&call) {
        Fate::Pass => None,
        Fate::Refused(refusal) => return Ok(refusal.answer(&call.service)),
        Fate::Lost(Lost::Request) => return Err(hang_up()),
        Fate::Lost(Lost::Reply) => Some(hang_up()),
    };
    let answered = match call.service.as_str() {
        "rds" => Some(behind.rds.answer(&call).await),
        "ec2" => Some(behind.ec2.answer(&call).await),
        "elasticache" => Some(behind.caches.answer(&call).await),
        _ => None,
    };
    let answered = if let Some(answered) = answered {
        behind.faults.answered();
        match answered {
            Ok(node) => super::wire::answer(200, "text/xml", node.write()),
            Err(refusal) => refusal.answer(&call.service),
        }
    } else if call.action == "PutEvents" && behind.faults.takes_refused_events() {
        super::wire::answer(200, "application/x-amz-json-1.1", refused_events(&body))
    } else if call.action == "GetObject" && behind.faults.refuses_key("aws/s3") {
        let refusal = Refusal::new("KMS.DisabledException", "arn:aws:kms:us-east-1:123456789012:key/k is disabled.");
        refusal.answer("s3")
    } else if call.service == "backup" {
        behind.faults.answered();
        behind.backup.answer(&call, &body)
    } else if call.service == "ebs" {
        behind.ec2.blocks(&call).await.unwrap_or_else(|refusal| refusal.answer("ebs"))
    } else if let Some(refusal) = refused_key(&behind.faults, &call, &body) {
        refusal.answer(&call.service)
    } else {
        let answered = forward(behind.moto, Request::from_parts(head, Body::from(body))).await?;
        if call.action == "GetBucketVersioning" { versioning(&answered) } else { answered.map(Body::from) }
    };
    lost.map_or(Ok(answered), Err)
}

/// Says what is wrong with who signed and for what.
fn unknown(call: &Call) -> Option<Refusal> {
    let known = call.key_id == KEY_ID || call.key_id.starts_with("ASIA");
    if !known {
        let refusal = Refusal::new("InvalidClientTokenId", "The security token included in the request is invalid.");
        return Some(refusal.with_status(403));
    }
    let query = !call.params.is_empty();
    let of_rds = call.params.get("Version").is_some_and(|version| version == "2014-10-31");
    if query && of_rds != (call.service == "rds") {
        let refusal =
            Refusal::new("SignatureDoesNotMatch", format!("Credential should be scoped to correct service, not {}", call.service));
        return Some(refusal.with_status(403));
    }
    let regional = call.region.split('-').count() >= 3;
    (!regional).then(|| Refusal::new("SignatureDoesNotMatch", "Credential should be scoped to a valid region.").with_status(403))
}

/// moto calls the answer by another name than S3 does.
fn versioning(answered: &Response<bytes::Bytes>) -> Response<Body> {
    let text = String::from_utf8_lossy(answered.body()).replace("GetBucketVersioningResponse", "VersioningConfiguration");
    super::wire::answer(answered.status().as_u16(), "application/xml", text)
}

/// Says 200, and that none of the events was taken.
fn refused_events(body: &[u8]) -> String {
    let asked: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let count = asked["Entries"].as_array().map_or(0, Vec::len);
    let entry = serde_json::json!({ "ErrorCode": "InternalFailure", "ErrorMessage": "Internal failure" });
    serde_json::json!({ "FailedEntryCount": count, "Entries": vec![entry; count] }).to_string()
}

/// KMS itself refuses a key that is disabled; moto goes on using it.
fn refused_key(faults: &Faults, call: &Call, body: &[u8]) -> Option<Refusal> {
    if call.service != "kms" || call.action == "DescribeKey" {
        return None;
    }
    let asked: serde_json::Value = serde_json::from_slice(body).ok()?;
    let key = asked.get("KeyId")?.as_str()?;
    faults.refuses_key(key).then(|| Refusal::new("DisabledException", format!("{key} is disabled.")))
}
