//! Making sure that a replica's server lets us in, and telling apart why it does not.

use super::Pauses;
use crate::{
    clock::Clock,
    domain::drill::ReplicaName,
    error::{Kind, Result, invalid, retry},
    providers::postgres::{self, PgUrl},
};

/// How often a server that is up is tried before its network is taken to be closed: about five minutes.
const TRIES: u32 = 16;

/// What to look at when a server does not let us in.
pub(in crate::providers) struct Gate {
    /// Which settings say how it is logged in to.
    pub login: &'static str,
    /// What must hold of the network.
    pub network: &'static str,
}

/// Waits until the server of a replica lets us in: a new password may take a moment after its provider says that it is set.
pub(in crate::providers) async fn admitted(url: &PgUrl, name: &ReplicaName, clock: &dyn Clock, gate: &Gate) -> Result<()> {
    let mut pauses = Pauses::new(clock);
    let mut last = retry("it was not tried");
    for _ in 0..TRIES {
        match postgres::connect(url).await {
            Ok(_) => return Ok(()),
            Err(error) if matches!(error.kind(), Kind::Retry | Kind::Denied) => last = error,
            // Neither a certificate nor a missing database says anything about the backup.
            Err(error) => {
                let hint = error.advice().unwrap_or(gate.login).to_owned();
                return Err(invalid(format!("replica {name} does not let us in")).because(error.full()).hint(hint));
            }
        }
        pauses.wait().await;
    }
    Err(last.during(format!("replica {name} is up, but does not let us in")).hint(gate.network))
}
