//! Logs on stderr: one line for each event, JSON where a platform collects them, words where a person watches.
//!
//! Every line is redacted as a whole, after it was put together, so that no field and no library's message gets around it.

use crate::{
    clock::{Clock, SystemClock},
    error::Error,
    redact,
};
use serde_json::{Map, Value};
use std::{
    fmt::{self, Debug, Write as _},
    io::Write as _,
    panic::PanicHookInfo,
};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    filter::Targets,
    fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

tokio::task_local! {
    /// Which invocation this task works for: told on every line.
    pub(super) static INVOCATION: String;
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// One JSON object a line, with the keys that `CloudWatch` and Cloud Logging read (`severity`, `message`, `time`).
    Json,
    /// Time, level, sentence, fields.
    Words,
}

/// Starts logging and installs the panic hook. `wish` is a level or `target=level,…`; by default our own decisions (`info`)
/// and others' warnings. The runtime client's `trace`, which shows event bodies, is never on.
pub fn start(style: Style, wish: Option<&str>) {
    std::panic::set_hook(Box::new(move |info| fell(style, info)));
    let targets = targets(wish);
    let lines = tracing_subscriber::fmt::layer().event_format(Lines(style)).with_writer(Stderr);
    // A second start (a test in the same process) keeps the first.
    let _ = tracing_subscriber::registry().with(targets).with(lines).try_init();
}

fn targets(wish: Option<&str>) -> Targets {
    let ours = |level: Level| {
        let names = ["lastgood", "lastgood_core", "snapshot_trigger", "export_to_bucket", "cross_region_copy", "freshness_checker"];
        let names = names.into_iter().chain(["restore_drill", "restore"]);
        let targets = Targets::new().with_default(Level::WARN).with_targets(names.map(|name| (name, level)));
        // Credentials that are not found are told once, by the error that follows.
        targets.with_target("aws_config", Level::ERROR)
    };
    let targets = match wish.map(str::trim).filter(|wish| !wish.is_empty()) {
        None => ours(Level::INFO),
        Some(wish) => match (wish.parse::<Level>(), wish.parse::<Targets>()) {
            (Ok(level), _) => ours(level),
            (Err(_), Ok(targets)) => targets,
            (Err(_), Err(_)) => ours(Level::INFO),
        },
    };
    targets.with_target("lambda_runtime", Level::WARN).with_target("lambda_runtime_api_client", Level::WARN)
}

/// Writes an error for a person: the sentence with its causes, and what to do.
pub fn tell(error: &Error) {
    let hint = error.advice().map(|hint| format!("\n  hint: {}", redact::text(hint))).unwrap_or_default();
    put(&format!("error: {}{hint}\n", error.full()));
}

/// Writes to stderr; where that is closed there is nobody to tell.
fn put(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// A fault of ours. Nothing of what the code was handling is shown: only the place, and then the process ends.
fn fell(style: Style, info: &PanicHookInfo<'_>) {
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), |at| format!("{}:{}", at.file(), at.line()));
    let message = format!("a fault in Lastgood at {place}: nothing that was finished is lost, please report it");
    match style {
        Style::Words => put(&format!("error: {message}\n")),
        Style::Json => {
            let line = [("time", now()), ("level", "ERROR".into()), ("severity", "CRITICAL".into()), ("message", message)];
            let line: Map<String, Value> = line.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
            put(&format!("{}\n", Value::Object(line)));
        }
    }
    std::process::exit(1);
}

fn now() -> String {
    SystemClock.now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A line's redacting way to stderr.
struct Stderr;

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl std::io::Write for Stderr {
    /// The formatting layer hands a whole event over at once.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        put(&redact::text(&String::from_utf8_lossy(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Puts lines together.
struct Lines(Style);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        let invocation = INVOCATION.try_with(Clone::clone).ok();
        match self.0 {
            Style::Json => {
                let mut line = Map::new();
                line.insert("time".into(), now().into());
                line.insert("level".into(), level.as_str().into());
                line.insert("severity".into(), severity(level).into());
                line.insert("message".into(), fields.message.into());
                line.insert("target".into(), event.metadata().target().into());
                if let Some(invocation) = invocation {
                    line.insert("invocation".into(), invocation.into());
                }
                line.extend(fields.others);
                writeln!(writer, "{}", redact::json(Value::Object(line)))
            }
            Style::Words => {
                let level = if level == Level::INFO { String::new() } else { format!("{} ", level.as_str().to_lowercase()) };
                write!(writer, "{} {level}{}", SystemClock.now().strftime("%H:%M:%S"), fields.message)?;
                for (name, value) in fields.others {
                    match value {
                        Value::String(text) => write!(writer, " {name}={text}")?,
                        other => write!(writer, " {name}={other}")?,
                    }
                }
                writeln!(writer)
            }
        }
    }
}

/// The level as Cloud Logging names it.
fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

/// The message and the fields of one event.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", other) => self.message = other.to_string(),
            (name, value) => {
                self.others.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        self.add(field, text.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}
