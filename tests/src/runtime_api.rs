//! A double of Lambda's Runtime API: what a function's process talks to, and what invokes it.
//!
//! It hands out one invocation at a time, as Lambda does, and keeps what the process answers. Every invocation carries the
//! deadline header in epoch milliseconds.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use lastgood_core::clock::{Clock, SystemClock, after};
use serde_json::Value;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

/// The Runtime API of one function. Dropping it closes it.
pub struct RuntimeApi {
    address: SocketAddr,
    queue: mpsc::UnboundedSender<Invocation>,
    polls: watch::Receiver<u64>,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// What a function answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It returned.
    Returned(Value),
    /// It failed; `kind` is the `errorType` that alarms match.
    Failed {
        /// The `errorType`.
        kind: String,
        /// The `errorMessage`.
        message: String,
    },
    /// It answered nothing until its deadline and a little more.
    Silent,
}

struct Invocation {
    id: String,
    payload: Bytes,
    deadline: i64,
}

struct Shared {
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    open: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    polls: watch::Sender<u64>,
    count: AtomicU64,
}

impl RuntimeApi {
    /// Opens the API on a free port of this machine.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the loopback");
        let address = listener.local_addr().expect("its address");
        let (queue, waiting) = mpsc::unbounded_channel();
        let (polled, polls) = watch::channel(0);
        let shared =
            Arc::new(Shared { waiting: tokio::sync::Mutex::new(waiting), open: Mutex::default(), polls: polled, count: AtomicU64::new(0) });
        let app = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(|| async { StatusCode::ACCEPTED }))
            .with_state(shared.clone());
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Self { address, queue, polls, shared, server }
    }

    /// The variables that Lambda sets for the process of a function.
    pub fn environment(&self, function: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_LAMBDA_RUNTIME_API", self.address.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", function.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512".to_owned()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{function}")),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/20/[$LATEST]x".to_owned()),
        ]
    }

    /// Waits until the process has asked for its first invocation.
    pub async fn first_poll(&self) {
        let _ = self.polls.clone().wait_for(|polls| *polls > 0).await;
    }

    /// Invokes the function with `payload` and the time that its process then has.
    pub async fn invoke(&self, payload: impl Into<Bytes>, time: Duration) -> Answer {
        let deadline = after(SystemClock.now(), time).as_millisecond();
        self.invoke_with_deadline(payload, deadline, time).await
    }

    /// Invokes the function with whatever the deadline header is to say.
    pub async fn invoke_with_deadline(&self, payload: impl Into<Bytes>, deadline: i64, patience: Duration) -> Answer {
        let id = format!("8476a536-e9f4-11e8-9739-{:012}", self.shared.count.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        self.shared.open.lock().expect("the table").insert(id.clone(), answer);
        let _ = self.queue.send(Invocation { id, payload: payload.into(), deadline });
        match tokio::time::timeout(patience + Duration::from_secs(20), answered).await {
            Ok(Ok(answer)) => answer,
            _ => Answer::Silent,
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    shared.polls.send_modify(|polls| *polls += 1);
    let Some(invocation) = shared.waiting.lock().await.recv().await else { return StatusCode::GONE.into_response() };
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", invocation.id),
        ("lambda-runtime-deadline-ms", invocation.deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:double".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0".to_owned()),
    ];
    (headers, invocation.payload).into_response()
}

async fn response(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    answer(&shared, &id, Answer::Returned(serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

async fn error(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    let said: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    answer(&shared, &id, Answer::Failed { kind: text("errorType"), message: text("errorMessage") })
}

fn answer(shared: &Shared, id: &str, answer: Answer) -> StatusCode {
    match shared.open.lock().expect("the table").remove(id) {
        Some(open) => {
            let _ = open.send(answer);
            StatusCode::ACCEPTED
        }
        None => StatusCode::NOT_FOUND,
    }
}
