//! The command line of one function: run once in this process, for operators, cron, and Cloud Run jobs.
//!
//! Results go to stdout, everything else to stderr. The exit code is the contract: 0 good, 1 failed, 2 too old or missing,
//! 3 could not verify, 64 usage.

use super::{Call, Ended, Surroundings, Woken, http::asked_to_end, invocation, telemetry};
use crate::{
    catalog::lease,
    clock::{self, Clock, SystemClock},
    env::Quiet,
    error::{During, Error, Kind, Result, invalid, out_of_time},
    event::{self, Event},
    function::{Exit, Function},
    redact,
};
use clap::{ArgMatches, Args, CommandFactory, Parser, parser::ValueSource};
use serde_json::Value;
use std::{
    fmt::Write as _,
    io::{Read, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

/// What every function's command line has besides its own.
#[derive(Debug, Parser)]
#[command(max_term_width = 100, version)]
#[command(after_help = "Exit codes: 0 good · 1 failed · 2 too old or missing · 3 could not verify · 64 usage")]
struct Line<F: Args> {
    #[command(flatten)]
    request: F,
    /// The config, a path or a vault URL; by default what `LASTGOOD_CONFIG` says, else lastgood.yaml.
    #[arg(long, id = "host-config", value_name = "FILE")]
    config: Option<String>,
    /// Runs a recorded trigger: a file as in events/, or - for stdin.
    #[arg(long, id = "host-event", value_name = "FILE")]
    event: Option<PathBuf>,
    /// Says that a schedule such as cron runs this: from then on its silence is a finding.
    #[arg(long, id = "host-scheduled")]
    scheduled: bool,
    /// Prints the report as JSON, for programs.
    #[arg(long, id = "host-json")]
    json: bool,
}

/// What a retry of Cloud Run's waits at most for the lease of the attempt before it: a little longer than a lease is.
const PREDECESSOR: Duration = Duration::from_secs(90);

/// Runs the function once and tells how it went.
pub async fn once<F: Function>(around: Surroundings) -> ExitCode {
    let job = around.job;
    telemetry::start(if job { telemetry::Style::Json } else { telemetry::Style::Words }, around.log.as_deref());
    // An attempt of a task begins when the one before it is dead, and that one may have had no time to give its lease back.
    let mut patient = job && around.attempt > 0;
    loop {
        let (line, request) = match typed::<F>() {
            Ok(typed) => typed,
            Err(error) => return usage(&error),
        };
        match run::<F>(around.clone(), &line, request).await {
            Ok(ended) => {
                if let Some(until) = ended.held_until().filter(|_| std::mem::take(&mut patient)) {
                    tracing::info!(function = F::NAME, %until, "waiting for the lease of the attempt before this one");
                    let left = clock::since(until, SystemClock.now()) + Duration::from_secs(1);
                    tokio::select! {
                        () = tokio::time::sleep(left.min(PREDECESSOR)) => continue,
                        () = asked_to_end() => {}
                    }
                }
                let text = if line.json { format!("{:#}", ended.report) } else { sentences::<F>(&ended) };
                // A reader that went away (`| head`) is no error.
                let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
                return if job { ended.of_a_job().into() } else { ended.exit.into() };
            }
            // Another invocation does the work: a retry by the platform would be about nothing.
            Err(error) if job && error.kind() == Kind::Busy => {
                tracing::info!(function = F::NAME, "{}", error.full());
                return Exit::Good.into();
            }
            Err(error) => {
                if job {
                    invocation::log_failure::<F>(&error);
                } else {
                    telemetry::tell(&error);
                }
                return Exit::from(&error).into();
            }
        }
    }
}

/// The line without the function's own part, which is empty when an event says what is wanted.
struct Typed {
    config: Option<String>,
    event: Option<PathBuf>,
    scheduled: bool,
    json: bool,
}

fn typed<F: Function>() -> Result<(Typed, Option<F>), clap::Error> {
    let mut command = Line::<F>::command().name(F::NAME).bin_name(F::NAME);
    let event = |matches: &ArgMatches| matches.try_get_one::<PathBuf>("host-event").ok().flatten().is_some();
    // With --event the request comes from the file; what the function requires on its line is not required then.
    let matches = command.clone().try_get_matches();
    let relaxed = matches.is_err().then(|| command.clone().ignore_errors(true).try_get_matches()).and_then(Result::ok);
    let matches = match (matches, relaxed) {
        (Ok(matches), _) => matches,
        (Err(error), Some(relaxed)) if error.kind() == clap::error::ErrorKind::MissingRequiredArgument && event(&relaxed) => relaxed,
        (Err(error), _) => return Err(error),
    };
    let line = Typed {
        config: matches.get_one::<String>("host-config").cloned(),
        event: matches.get_one::<PathBuf>("host-event").cloned(),
        scheduled: matches.get_flag("host-scheduled"),
        json: matches.get_flag("host-json"),
    };
    if line.event.is_none() {
        let request = F::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        return Ok((line, Some(request)));
    }
    let own = matches.ids().filter(|id| !id.as_str().starts_with("host-")).find(|id| {
        command.get_arguments().any(|arg| arg.get_id() == *id) && matches.value_source(id.as_str()) == Some(ValueSource::CommandLine)
    });
    match own {
        Some(own) => {
            let why = format!("--event brings the whole request: give either it or {own}, not both");
            Err(command.error(clap::error::ErrorKind::ArgumentConflict, why))
        }
        None => Ok((line, None)),
    }
}

fn usage(error: &clap::Error) -> ExitCode {
    // What was typed may hold a secret that belongs elsewhere.
    let text = redact::text(&error.render().to_string());
    if error.use_stderr() {
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
        return Exit::Usage.into();
    }
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Exit::Good.into()
}

async fn run<F: Function>(mut around: Surroundings, line: &Typed, request: Option<F>) -> Result<Ended> {
    if let Some(config) = &line.config {
        around.config.clone_from(config);
    }
    let (request, event) = if let Some(request) = request {
        (request, None)
    } else {
        // Recorded triggers are old by nature: their age is not judged, and no schedule is taken to be alive.
        let event = Event::parse(&read(line.event.as_deref())?)?;
        (event.request()?, Some(event))
    };
    let woken = match &line.event {
        _ if line.scheduled || around.job => Woken::BySchedule,
        Some(_) => Woken::ByEvent,
        None => Woken::ByHand,
    };
    let killed_at = around.timeout.map(|timeout| clock::after(SystemClock.now(), timeout));
    let call = Call::new(&around, invocation::holder(), woken, killed_at, Arc::new(Quiet));
    let call = match event {
        Some(event) => call.for_event(event, None),
        None => call,
    };
    let ended = tokio::select! {
        ended = invocation::run(request, call) => Some(ended),
        () = asked_to_end() => None,
    };
    if let Some(ended) = ended {
        return ended;
    }
    lease::handed_back().await;
    Err(out_of_time("the run was broken off").hint("nothing that was finished is lost; the next run carries on"))
}

/// Reads a recorded trigger.
fn read(file: Option<&Path>) -> Result<Vec<u8>> {
    let most = event::LIMIT as u64 + 1;
    let mut bytes = Vec::new();
    match file {
        Some(path) if path != Path::new("-") => {
            let doing = format!("reading the event {}", path.display());
            let file = std::fs::File::open(path).map_err(Error::from).during(&doing)?;
            if !file.metadata().is_ok_and(|seen| seen.is_file()) {
                return Err(invalid(format!("{doing}: it is not a file")));
            }
            file.take(most).read_to_end(&mut bytes).during(&doing)?;
        }
        _ => {
            std::io::stdin().lock().take(most).read_to_end(&mut bytes).during("reading the event")?;
        }
    }
    Ok(bytes)
}

/// One of our words as a report spells it.
fn said<W: serde::Serialize>(word: &W) -> String {
    serde_json::to_value(word).ok().and_then(|word| word.as_str().map(|word| word.replace('-', " "))).unwrap_or_default()
}

/// The report in short lines: one for each asset, then what an operator must know.
fn sentences<F: Function>(ended: &Ended) -> String {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut out = String::new();
    let status = text(&ended.report, "status").unwrap_or_else(|| said(&ended.exit));
    let _ = writeln!(out, "{}: {status}", F::NAME);
    if let Some(why) = text(&ended.report, "dropped") {
        let _ = writeln!(out, "  nothing is done: {why}");
    }
    for entry in ["entries", "assets"].iter().filter_map(|name| ended.report.get(name)?.as_array()).flatten() {
        let asset = text(entry, "asset").unwrap_or_default();
        let outcome = text(entry, "outcome").or_else(|| text(entry, "state")).unwrap_or_default().replace('-', " ");
        let detail = ["reason", "next", "until", "id"].iter().find_map(|name| text(entry, name)).unwrap_or_default();
        let _ = writeln!(out, "  {asset:<24} {outcome:<16} {detail}");
        if let Some(hint) = text(entry, "hint") {
            let _ = writeln!(out, "  {:<24} {:<16} {hint}", "", "");
        }
    }
    for finding in &ended.findings {
        let severity = said(&finding.severity);
        let asset = finding.asset.as_ref().map(|asset| format!("{asset}: ")).unwrap_or_default();
        let _ = writeln!(out, "{severity}: {asset}{}\n  next: {}\n  read: {}", finding.sentence, finding.command, finding.runbook);
    }
    redact::text(&out)
}
