//! The operator's command: every function by hand, and what an engineer on call asks for.
//!
//! Results go to stdout, everything else to stderr. The exit code is the contract: 0 good, 1 failed, 2 too old or missing,
//! 3 could not verify, 64 usage.

mod ack;
mod by_hand;
pub mod command;
mod configure;
mod demo;
mod doctor;
mod email;
mod evidence;
mod list;
mod output;
mod past;
mod prune;
mod recover;
mod report;
mod simulate;
mod status;
mod verify;

use clap::Parser;
use command::{Cli, Command};
use lastgood_core::{
    catalog::lease,
    error::{Result, failed},
    function::Exit,
    host::{Fleets, World, holder, telemetry},
    redact,
};
use output::{Form, progress};
use std::{io::Write, process::ExitCode};

/// Does what was typed.
pub async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let level = match cli.verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    telemetry::start(telemetry::Style::Words, Some(level));
    // A task of its own runs on the workers, where the data path is; the main thread only waits for a signal.
    let mut work = tokio::spawn(run(cli));
    let work = tokio::select! {
        done = &mut work => done.unwrap_or_else(|error| Err(failed("the work broke off").because(error))),
        _ = tokio::signal::ctrl_c() => {
            work.abort();
            let _ = work.await;
            lease::handed_back().await;
            output::remark("\nbroken off: what was finished stays, the next run clears up or carries on");
            return ExitCode::from(130);
        }
    };
    match work {
        Ok(exit) => exit.into(),
        Err(error) => {
            telemetry::tell(&error);
            Exit::from(&error).into()
        }
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

async fn run(cli: Cli) -> Result<Exit> {
    let form = if cli.json { Form::Programs } else { Form::People };
    let command = match cli.command {
        Command::Demo(ask) => return Box::pin(demo::demo(ask)).await,
        Command::Config(command) => return configure::configure(command, &cli.config, form).await,
        Command::Evidence(command) => return Box::pin(evidence::evidence(command, &cli.config, form)).await,
        Command::Simulate(ask) => return simulate::simulate(ask, &cli.config, form).await,
        command => command,
    };
    let world = World::open(&cli.config, None, holder(), None, progress::shown(), Fleets::Look).await?;
    let env = world.env();
    match command {
        Command::Doctor(ask) => doctor::doctor(env, &ask, form).await,
        Command::Status(ask) => status::status(env, &ask, form).await,
        Command::List { asset } => list::list(env, &asset, form).await,
        Command::Snapshot(wake) => by_hand::snapshot(env, &wake, form).await,
        Command::Export(wake) => by_hand::export(env, &wake, form).await,
        Command::Copy(wake) => by_hand::copy(env, &wake, form).await,
        Command::Check(wake) => by_hand::check(env, &wake, form).await,
        Command::Drill(ask) => Box::pin(by_hand::drill(env, &ask, form)).await,
        Command::Verify(ask) => Box::pin(verify::verify(env, &ask, form)).await,
        Command::Prune(ask) => prune::prune(env, &ask, form).await,
        Command::Ack(ask) => ack::ack(env, &ask, form).await,
        Command::Report(ask) if ask.email => email::email(env, form).await,
        Command::Report(ask) => report::report(env, ask.html.as_deref(), form).await,
        Command::Restore(ask) => Box::pin(recover::recover(env, ask, form)).await,
        // These open what they need by themselves.
        Command::Demo(_) | Command::Evidence(_) | Command::Simulate(_) | Command::Config(_) => Ok(Exit::Usage),
    }
}
