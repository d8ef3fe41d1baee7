//! The vault of a crowd behind the S3 protocol: signatures are verified, pages are written as XML, as any store of that kind does.

use super::Crowd;
use crate::s3::{KEY, KEY_ID};
use hyper_util::rt::TokioIo;
use lastgood_core::{
    catalog::RECORD_LIMIT,
    error::{Error, Kind},
    ports::{Bucket, If, ObjectMeta, Version},
};
use s3s::{
    S3, S3Request, S3Response, S3Result,
    auth::SimpleAuth,
    dto::{
        ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output,
        Object, PutObjectInput, PutObjectOutput, StreamingBlob, Timestamp,
    },
    s3_error,
    service::S3ServiceBuilder,
};
use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

/// The prefix that the crowd's vault has in its bucket.
const ROOT: &str = "lastgood/";

impl Crowd {
    /// Serves its vault until the process ends; returns where.
    pub async fn served(self) -> SocketAddr {
        let mut service = S3ServiceBuilder::new(Served(self, Mutex::default()));
        service.set_auth(SimpleAuth::from_single(KEY_ID, KEY));
        let service = service.build();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                let answer = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let service = service.clone();
                    async move { service.call(request.map(s3s::Body::from)).await }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
            }
        });
        address
    }
}

/// The vault, and what the store's adapter keeps for itself beside it.
struct Served(Crowd, Mutex<HashMap<String, bytes::Bytes>>);

/// The folder of what belongs to no vault.
const OWN: &str = ".lastgood/";

fn refused(error: &Error) -> s3s::S3Error {
    match error.kind() {
        Kind::Conflict => s3_error!(PreconditionFailed),
        Kind::NotFound => s3_error!(NoSuchKey),
        _ => s3_error!(InternalError, "{}", error.full()),
    }
}

fn tag(version: &Version) -> ETag {
    ETag::Strong(version.0.trim_matches('"').to_owned())
}

fn moment(meta: &ObjectMeta) -> Timestamp {
    Timestamp::from(SystemTime::from(meta.modified))
}

fn size(bytes: u64) -> Option<i64> {
    i64::try_from(bytes).ok()
}

fn below(key: &str) -> S3Result<&str> {
    key.strip_prefix(ROOT).ok_or_else(|| s3_error!(NoSuchKey))
}

#[async_trait::async_trait]
impl S3 for Served {
    async fn head_object(&self, asked: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let meta = self.0.head(below(&asked.input.key)?).await.map_err(|error| refused(&error))?;
        let meta = meta.ok_or_else(|| s3_error!(NoSuchKey))?;
        let (e_tag, last_modified) = (Some(tag(&meta.version)), Some(moment(&meta)));
        Ok(S3Response::new(HeadObjectOutput { content_length: size(meta.size), e_tag, last_modified, ..Default::default() }))
    }

    async fn get_object(&self, asked: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let got = self.0.get(below(&asked.input.key)?, RECORD_LIMIT).await.map_err(|error| refused(&error))?;
        let (bytes, version) = got.ok_or_else(|| s3_error!(NoSuchKey))?;
        let content_length = size(bytes.len() as u64);
        let body = StreamingBlob::wrap(futures::stream::iter([Ok::<_, Infallible>(bytes)]));
        let last_modified = Some(Timestamp::from(SystemTime::UNIX_EPOCH));
        Ok(S3Response::new(GetObjectOutput {
            body: Some(body),
            content_length,
            e_tag: Some(tag(&version)),
            last_modified,
            ..Default::default()
        }))
    }

    async fn put_object(&self, asked: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        use futures::TryStreamExt;
        let PutObjectInput { key, body, if_match, .. } = asked.input;
        let body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
        let pieces: Vec<bytes::Bytes> = body.try_collect().await.map_err(|_| s3_error!(IncompleteBody))?;
        let condition = match if_match {
            Some(ETagCondition::ETag(state)) => If::Is(Version(format!("\"{}\"", state.value()))),
            Some(ETagCondition::Any) | None => If::Absent,
        };
        if below(&key)?.starts_with(OWN) {
            let mut own = self.1.lock().unwrap_or_else(PoisonError::into_inner);
            if own.contains_key(&key) {
                return Err(s3_error!(PreconditionFailed));
            }
            own.insert(key, pieces.concat().into());
            return Ok(S3Response::new(PutObjectOutput { e_tag: Some(ETag::Strong("own".to_owned())), ..Default::default() }));
        }
        let put = self.0.put(below(&key)?, pieces.concat().into(), condition).await;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(tag(&put.map_err(|error| refused(&error))?)), ..Default::default() }))
    }

    async fn list_objects_v2(&self, asked: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let ListObjectsV2Input { prefix, start_after, .. } = asked.input;
        let (prefix, after) = (prefix.unwrap_or_default(), start_after.as_deref().and_then(|after| after.strip_prefix(ROOT)));
        let page = self.0.list(below(&prefix)?, after).await.map_err(|error| refused(&error))?;
        let object = |meta: &ObjectMeta| Object {
            key: Some(format!("{ROOT}{}", meta.key)),
            size: size(meta.size),
            e_tag: Some(tag(&meta.version)),
            last_modified: Some(moment(meta)),
            ..Default::default()
        };
        let contents = page.objects.iter().map(object).collect();
        let more = page.next.map(|next| format!("{ROOT}{next}"));
        let output = ListObjectsV2Output {
            contents: Some(contents),
            is_truncated: Some(more.is_some()),
            next_continuation_token: more,
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }
}
