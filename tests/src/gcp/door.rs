//! The door that every request comes through: it meets its fate, and the service that its path names answers.

use super::{
    faults::{Fate, Faults},
    sqladmin::{self, SqlAdmin},
    wire::{self, Asked, Part, Refusal},
};
use crate::{engine::Lost, gcs::GcsServer};
use axum::body::{Body, to_bytes};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::{error::Error, io, net::SocketAddr, sync::Arc};
use tokio::net::{TcpListener, TcpStream};

/// What stands behind the door.
pub struct Behind {
    /// Cloud Storage.
    pub storage: Arc<GcsServer>,
    /// Cloud SQL.
    pub sql: SqlAdmin,
    /// Every other service.
    pub parts: Vec<Arc<dyn Part>>,
    /// What goes wrong.
    pub faults: Faults,
}

/// Why a connection ends without an answer.
type Failure = Box<dyn Error + Send + Sync>;

/// Finds an address.
pub async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the emulator");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

/// Opens the door. It closes with the runtime.
pub fn open(listener: TcpListener, behind: Arc<Behind>) {
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let behind = behind.clone();
            let answer = service_fn(move |request| serve(behind.clone(), request));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
        }
    });
}

async fn serve(behind: Arc<Behind>, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
    let (head, body) = request.into_parts();
    let body = to_bytes(Body::new(body), usize::MAX).await?;
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let asked = Asked {
        method: head.method.to_string(),
        path: head.uri.path().split('/').skip(1).map(decoded).collect(),
        query: url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        headers: head.headers.clone(),
        body: body.clone(),
    };
    if matches!(asked.path[0].as_str(), "storage" | "upload" | "download" | "token" | "batch") {
        return Ok(behind.storage.answer(Request::from_parts(head, Body::from(body))).await);
    }
    let mut of = behind.parts.iter().find_map(|part| Some((Some(part), part.call(&asked)?)));
    if of.is_none() {
        of = sqladmin::read(&asked).map(|call| (None, call));
    }
    let Some((part, call)) = of else {
        return Ok(Refusal::new(404, "notFound", format!("{} {} is nowhere", asked.method, head.uri.path())).answer());
    };
    let call = match call {
        Ok(call) => call,
        Err(refusal) => return Ok(refusal.answer()),
    };
    let lost = match behind.faults.meet(&call) {
        Fate::Pass => None,
        Fate::Refused(refusal) => return Ok(refusal.answer()),
        Fate::Lost(Lost::Request) => return Err(hang_up()),
        Fate::Lost(Lost::Reply) => Some(hang_up()),
    };
    let answered = match part {
        Some(part) => part.answer(&call).await,
        None => behind.sql.answer(&call).await,
    };
    behind.faults.answered();
    match (lost, answered) {
        (Some(lost), _) => Err(lost),
        (None, Ok(body)) => Ok(wire::answer(200, &body)),
        (None, Err(refusal)) => Ok(refusal.answer()),
    }
}

fn hang_up() -> Failure {
    io::Error::from(io::ErrorKind::ConnectionReset).into()
}

/// Asks what listens there, and returns the status and the body.
pub async fn ask(address: SocketAddr, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let socket = TcpStream::connect(address).await.expect("the emulator");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.expect("a connection");
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header("host", address.to_string());
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let reply = sender.send_request(request.body(body).expect("a request")).await.expect("a reply");
    let status = reply.status().as_u16();
    let body = to_bytes(Body::new(reply.into_body()), usize::MAX).await.expect("a whole reply");
    (status, serde_json::from_slice(&body).unwrap_or_default())
}
