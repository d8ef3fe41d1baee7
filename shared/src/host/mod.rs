//! Where an invocation comes from: Lambda, HTTP, or a command line. The same function runs under each, unchanged.
//!
//! The host is picked from the environment: `AWS_LAMBDA_RUNTIME_API` means Lambda, `K_SERVICE` and `PORT` mean an HTTP
//! service (Cloud Run), everything else, a Cloud Run job among it, means: run once in this process. A host reads the
//! environment, makes the [`Env`](crate::env::Env), parses what woke it, runs the function, writes its heartbeat and tells
//! how it went. It decides nothing about backups.

mod announce;
mod caller;
mod checker;
mod cli;
mod http;
mod invocation;
mod lambda;
mod metrics;
mod pulse;
mod scratch;
mod stranger;
mod surroundings;
pub mod telemetry;
mod world;

pub use caller::Proof;
pub use checker::watch;
pub use invocation::{Call, Ended, Woken, holder, run};
pub use metrics::Outlet;
pub use pulse::{beat, sign_of_life};
pub use scratch::Scratch;
pub use stranger::tell as refused;
pub use surroundings::Surroundings;
pub use world::{Fleets, World, read_config};

use crate::function::{Exit, Function};
use std::process::ExitCode;

/// Which host an environment calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// The Lambda Runtime API hands out events, one after the other.
    Lambda,
    /// Events come as HTTP requests to this port.
    Http {
        /// The port to listen on.
        port: u16,
    },
    /// The command line is the request; the process ends with it.
    Once,
}

/// Picks the host and runs `F` under it until there is nothing more to do.
pub async fn main<F: Function>() -> ExitCode {
    let around = match Surroundings::read() {
        Ok(around) => around,
        Err(error) => {
            telemetry::tell(&error);
            return Exit::Usage.into();
        }
    };
    match around.host {
        Host::Lambda => lambda::serve::<F>(around).await,
        Host::Http { port } => http::serve::<F>(around, port).await,
        Host::Once => cli::once::<F>(around).await,
    }
}
