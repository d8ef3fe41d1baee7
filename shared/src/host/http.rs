//! HTTP: `POST /` runs the function, `GET /healthz` says that it listens, `GET /metrics` what the last check came to. For Cloud
//! Run and anything like it.
//!
//! Senders (Cloud Scheduler, Pub/Sub, SNS) send again whatever is not answered with 2xx, so the status answers one
//! question: would it help to send this again? What was found, and what failed for good, stands in the body and in the
//! `lastgood-exit` header. A sender that hangs up does not end the run. Who may call is for the platform to check, and for
//! [`Gate`] where it is told whom to expect.

use super::{
    Call, Ended, Surroundings,
    caller::{self, Gate},
    invocation,
    lambda::{Wake, wake, woken},
    telemetry,
};
use crate::{
    catalog::{Key, RECORD_LIMIT},
    clock::{self, Clock, SystemClock},
    env::Quiet,
    error::{Error, Kind, not_found},
    event,
    exposition::MEDIA_TYPE,
    function::{Exit, Function},
    providers,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::Semaphore;

/// How long a run may take when `LASTGOOD_TIMEOUT` does not say: what Cloud Run gives a request by default.
const TIMEOUT: Duration = Duration::from_mins(5);
/// How many runs one process holds. Leases keep two from doing the same work; this keeps many from exhausting memory.
const AT_ONCE: usize = 4;
/// After how many seconds a sender may try again.
const AGAIN: &str = "60";

struct Shared {
    around: Surroundings,
    gate: Gate,
    holder: String,
    count: AtomicU64,
    room: Arc<Semaphore>,
}

/// Answers requests on `port` until the platform asks the process to end.
pub async fn serve<F: Function>(around: Surroundings, port: u16) -> ExitCode {
    telemetry::start(telemetry::Style::Json, around.log.as_deref());
    let gate = match Gate::new(around.proof.clone()) {
        Ok(gate) => gate,
        Err(error) => {
            caller::unusable(&error);
            return Exit::Usage.into();
        }
    };
    let listener = match tokio::net::TcpListener::bind(("0.0.0.0", port)).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(port, %error, "the port cannot be listened on");
            return Exit::Failed.into();
        }
    };
    let shared = Shared { around, gate, holder: invocation::holder(), count: AtomicU64::new(0), room: Arc::new(Semaphore::new(AT_ONCE)) };
    let app = Router::new()
        .route("/", post(answer::<F>))
        .route("/metrics", get(numbers))
        .route("/healthz", get(|| async { Json(json!({ "function": F::NAME, "status": "ok" })) }))
        .layer(DefaultBodyLimit::max(event::LIMIT))
        .with_state(Arc::new(shared));
    match axum::serve(listener, app).with_graceful_shutdown(asked_to_end()).await {
        Ok(()) => Exit::Good.into(),
        Err(error) => {
            tracing::error!(%error, "serving ended");
            Exit::Failed.into()
        }
    }
}

/// Returns once the platform, or a person, asks the process to end.
pub(super) async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        }
        // Without signals there is nobody who could ask.
        _ => std::future::pending().await,
    }
}

async fn answer<F: Function>(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(turned_away) = shared.gate.admit(&headers).await {
        return *turned_away;
    }
    let now = SystemClock.now();
    let (request, woke) = match wake::<F>(&enveloped(&headers, &body), now) {
        Ok(Wake::Run(request, woke)) => (request, woke),
        Ok(Wake::Drop(why)) => return Json(invocation::dropped::<F>(&why)).into_response(),
        Err(error) => {
            tracing::warn!(function = F::NAME, kind = ?error.kind(), error = %error.full(), "an event was refused");
            return refused(&error);
        }
    };
    let Ok(room) = shared.room.clone().try_acquire_owned() else {
        return refused(&crate::error::retry(format!("{AT_ONCE} runs are under way in this process")).hint("send it again later"));
    };
    let killed_at = clock::after(now, shared.around.timeout.unwrap_or(TIMEOUT));
    let holder = format!("{}/{}", shared.holder, shared.count.fetch_add(1, Ordering::Relaxed));
    let call = Call::new(&shared.around, holder, woken(&woke), Some(killed_at), Arc::new(Quiet)).for_event(woke, None);
    let run = tokio::spawn(async move {
        let ended = invocation::run(request, call).await;
        drop(room);
        ended
    });
    match run.await {
        Ok(Ok(ended)) => told(ended),
        Ok(Err(error)) => {
            invocation::log_failure::<F>(&error);
            refused(&error)
        }
        Err(_) => refused(&crate::error::failed("the run was broken off")),
    }
}

/// What the freshness-checker saw last, for Prometheus: whichever function is asked, it says the same.
async fn numbers(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if let Err(turned_away) = shared.gate.admit(&headers).await {
        return *turned_away;
    }
    match last_numbers(&shared.around.config).await {
        Ok(text) => ([(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))], text).into_response(),
        // A scrape that fails is seen; numbers of nowhere would not be.
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, invocation::error_message(&error)).into_response(),
    }
}

async fn last_numbers(config: &str) -> crate::error::Result<Bytes> {
    let config = crate::config::Config::parse(&super::read_config(config).await?, config)?;
    let kept = providers::open_bucket(&config.vault)?.get(&Key::Metrics.to_string(), RECORD_LIMIT).await?;
    let (text, _) = kept.ok_or_else(|| not_found("nothing was looked at yet").hint("run the freshness-checker once"))?;
    Ok(text)
}

/// Puts back into the envelope what a sender says in headers: Cloud Scheduler that it is a schedule, `CloudEvents` in
/// binary mode (Eventarc) everything but the data.
fn enveloped(headers: &HeaderMap, body: &Bytes) -> Bytes {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let kind = match (said("ce-specversion"), said("ce-type"), said("x-cloudscheduler")) {
        (Some(_), Some(kind), _) => kind,
        // A header that anyone may send; all it does is tell a heartbeat that a schedule is alive.
        (_, _, Some(_)) => event::SCHEDULE.to_owned(),
        _ => return body.clone(),
    };
    let time = said("ce-time").or_else(|| said("x-cloudscheduler-scheduletime"));
    let data = if body.iter().all(u8::is_ascii_whitespace) { Bytes::from_static(b"{}") } else { body.clone() };
    event::wrap(&kind, time.as_deref(), &data).map_or_else(|| body.clone(), Bytes::from)
}

/// A report, with the status that says whether a retry would help.
fn told(ended: Ended) -> Response {
    let again = ended.exit != Exit::Good && ended.failure() == Some(Kind::Retry);
    let status = if again { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let mut response = (status, [exit_header(ended.exit)], Json(ended.report)).into_response();
    if again {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(AGAIN));
    }
    response
}

fn exit_header(exit: Exit) -> (HeaderName, String) {
    (HeaderName::from_static("lastgood-exit"), (exit as u8).to_string())
}

/// An error, with the status that says whether a retry would help.
pub(super) fn refused(error: &Error) -> Response {
    let status = match error.kind() {
        Kind::Busy => StatusCode::OK,
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Refused => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Retry | Kind::OutOfTime => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Conflict | Kind::NoSpace | Kind::Denied | Kind::Corrupt | Kind::Unsupported | Kind::Failed => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    let body: Value = json!({ "error": invocation::error_type(error.kind()), "message": invocation::error_message(error) });
    let mut response = (status, [exit_header(Exit::from(error))], Json(body)).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(AGAIN));
    }
    response
}
