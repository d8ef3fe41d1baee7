//! Lambda: the Runtime API hands out events, one after the other, each with its own time.
//!
//! An error keeps its kind as the `errorType` (`Lastgood.Conflict`), which alarms, destinations and Step Functions match.

use super::{Call, Ended, Surroundings, Woken, invocation, telemetry};
use crate::{
    clock::{self, Clock, SystemClock, Timestamp},
    env::Quiet,
    error::{Error, Kind},
    event::Event,
    function::{Exit, Function},
};
use lambda_runtime::{Context, Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json, value::RawValue};
use std::{process::ExitCode, sync::Arc, time::Duration};

/// Lambda ends an invocation after 15 minutes at most; a deadline beyond that is none (`cargo lambda watch` sends a length).
const LONGEST: Duration = Duration::from_mins(16);

/// Answers invocations until the platform ends the process.
pub async fn serve<F: Function>(around: Surroundings) -> ExitCode {
    telemetry::start(telemetry::Style::Json, around.log.as_deref());
    let around = &around;
    let answer = service_fn(|event: LambdaEvent<Box<RawValue>>| async move { answer::<F>(around, event).await });
    match lambda_runtime::Runtime::new(answer).run().await {
        Ok(()) => Exit::Good.into(),
        Err(error) => {
            tracing::error!(error = %error, "the Runtime API failed");
            Exit::Failed.into()
        }
    }
}

async fn answer<F: Function>(around: &Surroundings, event: LambdaEvent<Box<RawValue>>) -> Result<Value, Diagnostic> {
    let now = SystemClock.now();
    let (request, woke) = match wake::<F>(event.payload.get().as_bytes(), now) {
        Ok(Wake::Run(request, woke)) => (request, woke),
        Ok(Wake::Drop(why)) => return Ok(invocation::dropped::<F>(&why)),
        Err(error) => {
            tracing::error!(function = F::NAME, kind = ?error.kind(), error = %error.full(), "an event was refused");
            return Err(diagnostic(&error));
        }
    };
    let killed_at = deadline(&event.context, now);
    let holder = format!("lambda/{}", event.context.request_id);
    let call = Call::new(around, holder, woken(&woke), killed_at, Arc::new(Quiet)).for_event(woke, account(&event.context));
    match invocation::run(request, call).await {
        Ok(ended) => told(ended),
        // Another invocation does the work: a retry by the platform, and an alarm, would be about nothing.
        Err(error) if error.kind() == Kind::Busy => {
            Ok(json!({ "function": F::NAME, "error": invocation::error_type(Kind::Busy), "message": invocation::error_message(&error) }))
        }
        Err(error) => {
            invocation::log_failure::<F>(&error);
            Err(diagnostic(&error))
        }
    }
}

/// What is to be done with an event that arrived.
pub(super) enum Wake<F> {
    /// Run the function, for this event.
    Run(F, Event),
    /// Drop it: it is too old.
    Drop(String),
}

/// Reads an event as a host does that takes events from afar.
pub(super) fn wake<F: Function>(bytes: &[u8], now: Timestamp) -> crate::error::Result<Wake<F>> {
    let event = Event::parse(bytes)?;
    if let Some(why) = event.stale(now)? {
        tracing::info!(function = F::NAME, why, "an event was dropped");
        return Ok(Wake::Drop(why));
    }
    Ok(Wake::Run(event.request()?, event))
}

/// What woke a function that an event woke.
pub(super) fn woken(event: &Event) -> Woken {
    if event.scheduled { Woken::BySchedule } else { Woken::ByEvent }
}

/// The account that this function runs in: of its own ARN, which Lambda says and no event.
fn account(context: &Context) -> Option<String> {
    let account = context.invoked_function_arn.split(':').nth(4)?;
    (!account.is_empty()).then(|| account.to_owned())
}

/// A report whose function failed is an error of the invocation, so that the platform counts and retries it.
fn told(ended: Ended) -> Result<Value, Diagnostic> {
    match (ended.exit, ended.failure()) {
        (Exit::Good | Exit::Stale | Exit::CouldNotVerify, None) => Ok(ended.report),
        (Exit::Failed | Exit::Usage, kind) | (_, kind @ Some(_)) => {
            let kind = kind.unwrap_or(Kind::Failed);
            Err(Diagnostic { error_type: invocation::error_type(kind), error_message: ended.report.to_string() })
        }
    }
}

fn diagnostic(error: &Error) -> Diagnostic {
    Diagnostic { error_type: invocation::error_type(error.kind()), error_message: invocation::error_message(error) }
}

/// Returns when Lambda ends this invocation, if what it says can be true.
fn deadline(context: &Context, now: Timestamp) -> Option<Timestamp> {
    let at = i64::try_from(context.deadline).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok())?;
    (at > now && at <= clock::after(now, LONGEST)).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_implausible_deadline_is_none() {
        let now: Timestamp = "2026-11-20T02:00:00Z".parse().unwrap();
        let at = |ms: i64| {
            let mut context = Context::default();
            context.deadline = u64::try_from(ms).unwrap();
            deadline(&context, now)
        };
        assert_eq!(at(600_000), None, "a length");
        assert_eq!(at(0), None);
        assert_eq!(at(now.as_millisecond() + 3_600_000), None);
        assert_eq!(at(now.as_millisecond() + 900_000), Some("2026-11-20T02:15:00Z".parse().unwrap()));
    }
}
