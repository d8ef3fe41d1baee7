//! A door before an S3 server that knows no classes of storage, and gives it an archive: an object that is copied onto itself in
//! an archive class can be read only after it was restored, which takes its time by a clock of the test's.

use axum::body::{Body, to_bytes};
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use lastgood_core::{
    clock::{Clock, Timestamp, after},
    testing::ManualClock,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// An archive before an S3 server.
#[derive(Clone)]
pub struct Archive {
    address: SocketAddr,
    server: SocketAddr,
    clock: ManualClock,
    takes: Duration,
    objects: Arc<Mutex<BTreeMap<String, Lying>>>,
}

/// How an object lies.
#[derive(Debug, Clone)]
struct Lying {
    class: String,
    /// From when on it can be read, once it was asked for.
    back: Option<Timestamp>,
}

impl Archive {
    /// Opens an archive before a server, whose recalls take so long.
    pub async fn before(server: SocketAddr, clock: ManualClock, takes: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the archive");
        let address = listener.local_addr().expect("its address");
        let archive = Self { address, server, clock, takes, objects: Arc::default() };
        let shared = archive.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let archive = shared.clone();
                let answer = service_fn(move |request| {
                    let archive = archive.clone();
                    async move { archive.answer(request).await }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
            }
        });
        archive
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The objects that do not lie in the standard class, by their path, with their class.
    pub fn classes(&self) -> Vec<(String, String)> {
        self.objects().iter().map(|(path, lying)| (path.clone(), lying.class.clone())).collect()
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Lying>> {
        self.objects.lock().expect("the archive")
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        let (head, body) = request.into_parts();
        let body = to_bytes(Body::new(body), usize::MAX).await?;
        let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let lying = self.objects().get(&path).cloned();
        let archived = lying.clone().filter(|lying| matches!(lying.class.as_str(), "GLACIER" | "DEEP_ARCHIVE"));
        match (head.method.as_str(), archived) {
            ("GET", Some(lying)) if lying.back.is_none_or(|back| self.clock.now() < back) => {
                return refuse(403, "InvalidObjectState", "The operation is not valid for the object's storage class");
            }
            ("POST", archived) if query.split('&').any(|part| part == "restore" || part.starts_with("restore=")) => {
                return self.restore(&path, archived, &body);
            }
            ("PUT", _) if header("x-amz-copy-source").is_some_and(|source| format!("/{}", source.trim_start_matches('/')) == path) => {
                let (Some(class), Some(_)) = (header("x-amz-storage-class"), header("x-amz-copy-source-if-match")) else {
                    return refuse(400, "InvalidRequest", "This copy request is illegal because it changes nothing, or has no condition");
                };
                self.objects().insert(path, Lying { class: class.to_owned(), back: None });
                let text = "<CopyObjectResult><ETag>\"moved\"</ETag><LastModified>2026-11-20T00:00:00Z</LastModified></CopyObjectResult>";
                return Ok(Response::builder().status(200).header("content-type", "application/xml").body(Body::from(text))?);
            }
            ("PUT" | "DELETE", _) if !query.contains("partNumber") => {
                self.objects().remove(&path);
            }
            _ => {}
        }
        let is_head = head.method == "HEAD";
        let mut reply = self.forward(Request::from_parts(head, Body::from(body))).await?;
        if let Some(lying) = lying.filter(|_| is_head && reply.status().is_success()) {
            reply.headers_mut().insert("x-amz-storage-class", lying.class.parse()?);
            let restore = match lying.back {
                Some(back) if self.clock.now() < back => "ongoing-request=\"true\"",
                Some(_) => "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2040 00:00:00 GMT\"",
                None => return Ok(reply),
            };
            reply.headers_mut().insert("x-amz-restore", restore.parse()?);
        }
        Ok(reply)
    }

    fn restore(&self, path: &str, archived: Option<Lying>, body: &[u8]) -> Result<Response<Body>, Failure> {
        let text = String::from_utf8_lossy(body);
        match archived {
            None => refuse(403, "InvalidObjectState", "Restore is not allowed for the object's current storage class"),
            Some(_) if !text.contains("<Days>") || !text.contains("<Tier>") => refuse(400, "MalformedXML", "Days and Tier are required"),
            Some(lying) if lying.class == "DEEP_ARCHIVE" && text.contains("Expedited") => {
                refuse(400, "InvalidArgument", "Expedited retrievals are not supported for DEEP_ARCHIVE")
            }
            Some(lying) if lying.back.is_some_and(|back| self.clock.now() < back) => {
                refuse(409, "RestoreAlreadyInProgress", "Object restore is already in progress")
            }
            Some(lying) => {
                let status = if lying.back.is_some() { 200 } else { 202 };
                let back = lying.back.unwrap_or_else(|| after(self.clock.now(), self.takes));
                self.objects().insert(path.to_owned(), Lying { back: Some(back), ..lying });
                Ok(Response::builder().status(status).body(Body::empty())?)
            }
        }
    }

    async fn forward(&self, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let socket = TcpStream::connect(self.server).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await?.into_parts();
        let whole = to_bytes(Body::new(body), usize::MAX).await?;
        Ok(Response::from_parts(head, Body::from(whole)))
    }
}

fn refuse(status: u16, code: &str, message: &str) -> Result<Response<Body>, Failure> {
    let reply = Response::builder().status(StatusCode::from_u16(status)?).header("content-type", "application/xml");
    Ok(reply.body(Body::from(format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>")))?)
}
