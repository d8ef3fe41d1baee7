//! A proxy in front of a store that breaks what a test tells it to: refused requests, lost replies, cut bodies.

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures::{StreamExt, stream};
use hyper::{Request, Response, StatusCode, body::Incoming, header::HeaderValue, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection ends before the server hears of it.
    LoseRequest,
    /// The server does it, and the connection ends before the reply.
    LoseReply,
    /// The server never hears of it; this is the reply.
    Refuse(u16, &'static str),
    /// As before, and it asks for so many seconds of patience.
    RefuseFor(u16, &'static str, u64),
    /// The server does it; this is the reply all the same.
    Misreport(u16, &'static str),
    /// The reply's body ends after so many bytes, in a broken connection.
    CutBody(usize),
    /// The reply's body stops after so many bytes until the test says so, and breaks off then.
    HoldBody(usize, Arc<Notify>),
    /// The reply has this header besides.
    AddHeader(&'static str, &'static str),
    /// One byte of the request's body is flipped before the server sees it.
    FlipRequestByte(usize),
    /// The server never hears of the conditions, as one that does not know them. Only for a server that checks no signature.
    DropConditions,
}

/// Which requests are meant, and how many of them.
#[derive(Debug)]
struct Rule {
    method: &'static str,
    part: &'static str,
    times: usize,
    fault: Fault,
}

/// A proxy that breaks things.
pub struct FaultProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    seen: Vec<String>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl FaultProxy {
    /// Starts in front of a server.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the proxy");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let state = shared.clone();
                let answer = service_fn(move |request| pass(state.clone(), server, request));
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
            }
        });
        Self { address, state }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks the next `times` requests of this method whose path and query contain `part`.
    pub fn breaks(&self, method: &'static str, part: &'static str, times: usize, fault: Fault) {
        self.state.lock().expect("the proxy").rules.push(Rule { method, part, times, fault });
    }

    /// Returns how many requests of this method came whose path and query contain `part`.
    pub fn seen(&self, method: &str, part: &str) -> usize {
        let state = self.state.lock().expect("the proxy");
        state.seen.iter().filter(|line| line.starts_with(method) && line.contains(part)).count()
    }
}

/// A reply whose body breaks off after so many bytes, once something has come to pass.
async fn cut(reply: Response<Body>, length: usize, then: impl Future<Output = ()> + Send + 'static) -> Result<Response<Body>, Failure> {
    let (head, body) = reply.into_parts();
    let whole = to_bytes(body, usize::MAX).await?;
    let first = stream::iter([Ok(whole.slice(..length.min(whole.len())))]);
    let end = stream::once(async move {
        then.await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    Ok(Response::from_parts(head, Body::from_stream(first.chain(end))))
}

async fn pass(state: Arc<Mutex<State>>, server: SocketAddr, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
    let fault = {
        let mut state = state.lock().expect("the proxy");
        let line = format!("{} {}", request.method(), request.uri());
        let meant = |rule: &&mut Rule| rule.times > 0 && line.starts_with(rule.method) && line.contains(rule.part);
        let fault = state.rules.iter_mut().find(meant).map(|rule| {
            rule.times -= 1;
            rule.fault.clone()
        });
        state.seen.push(line);
        fault
    };
    let (mut head, body) = request.into_parts();
    let mut body = to_bytes(Body::new(body), usize::MAX).await?;
    let broken = || Err::<Response<Body>, Failure>(io::Error::from(io::ErrorKind::ConnectionReset).into());
    match fault {
        None => forward(server, Request::from_parts(head, Body::from(body))).await,
        Some(Fault::LoseRequest) => broken(),
        Some(Fault::LoseReply) => {
            forward(server, Request::from_parts(head, Body::from(body))).await?;
            broken()
        }
        Some(Fault::Refuse(status, text)) => reply(status, text),
        Some(Fault::RefuseFor(status, text, seconds)) => {
            let mut refusal = reply(status, text)?;
            refusal.headers_mut().insert("retry-after", seconds.into());
            Ok(refusal)
        }
        Some(Fault::Misreport(status, text)) => {
            forward(server, Request::from_parts(head, Body::from(body))).await?;
            reply(status, text)
        }
        Some(Fault::CutBody(length)) => {
            cut(forward(server, Request::from_parts(head, Body::from(body))).await?, length, std::future::ready(())).await
        }
        Some(Fault::HoldBody(length, until)) => {
            let reply = forward(server, Request::from_parts(head, Body::from(body))).await?;
            cut(reply, length, async move { until.notified().await }).await
        }
        Some(Fault::AddHeader(name, value)) => {
            let mut reply = forward(server, Request::from_parts(head, Body::from(body))).await?;
            reply.headers_mut().insert(name, HeaderValue::from_static(value));
            Ok(reply)
        }
        Some(Fault::DropConditions) => {
            head.headers.remove("if-none-match");
            head.headers.remove("if-match");
            forward(server, Request::from_parts(head, Body::from(body))).await
        }
        Some(Fault::FlipRequestByte(at)) => {
            let mut damaged = body.to_vec();
            damaged[at] ^= 1;
            body = Bytes::from(damaged);
            forward(server, Request::from_parts(head, Body::from(body))).await
        }
    }
}

fn reply(status: u16, text: &'static str) -> Result<Response<Body>, Failure> {
    let reply = Response::builder().status(StatusCode::from_u16(status)?).header("content-type", "application/xml");
    Ok(reply.body(Body::from(text))?)
}

async fn forward(server: SocketAddr, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let socket = TcpStream::connect(server).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let whole = to_bytes(Body::new(body), usize::MAX).await?;
    Ok(Response::from_parts(head, Body::from(whole)))
}
