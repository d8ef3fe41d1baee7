//! What a drill proved, or did not: the record that outlives the replica.
//!
//! It carries counts, versions and digests, never a row of data, and is written only after the replica was seen to be
//! gone. The same facts make a page for people.

mod chain;
mod keys;
mod link;
mod page;

pub use chain::{Stored, links, verify};
pub use keys::{EvidenceKey, PublicKey};
pub use link::{LINK_LIMIT, Link, Opened, PAYLOAD_TYPE, PREDICATE_TYPE, Position, STATEMENT_TYPE, Statement, look, open, pae};
pub use page::{page, signed_page};

use super::{Key, Record, Vault};
use crate::{
    clock::{Timestamp, since},
    domain::{
        backup::{Form, Method},
        compare::{CheckOutcome, CheckResult},
        drill::{ReplicaName, Verdict},
        place::Place,
        restore_test::RestoreTest,
        span::Span,
    },
    error::{Kind, Result},
    id::{AssetName, BackupId},
    ports::If,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// What came of one drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The drill's id: derived from asset, function and slot.
    pub drill: BackupId,
    /// The asset.
    pub asset: AssetName,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is not proven, in one sentence; none when it is.
    pub reason: Option<String>,
    /// What was restored; none when there was nothing to choose.
    pub backup: Option<Drilled>,
    /// The restore of AWS Backup's that was tested, where nothing of ours was restored. It proves no backup of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_test: Option<RestoreTest>,
    /// What it was restored to.
    pub replica: ReplicaSeen,
    /// When the drill began.
    pub started_at: Timestamp,
    /// When the replica was seen to be gone.
    pub finished_at: Timestamp,
    /// How long it took until the data was restored and validated, in seconds; none when it never was.
    pub restore_seconds: Option<f64>,
    /// How that compares with what the owner asked for.
    pub objectives: Objectives,
    /// Every check.
    pub checks: Vec<CheckResult>,
    /// The tools that restored it, with their versions.
    pub tools: BTreeMap<String, String>,
    /// Why it is not signed although the config asks for it; none where it is, or where nobody asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsigned: Option<String>,
}

/// The backup that a drill restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drilled {
    /// Its id.
    pub id: BackupId,
    /// How it was made.
    pub method: Method,
    /// Its form.
    pub form: Form,
    /// The place that it was read from.
    pub from: Place,
    /// The moment whose data it holds.
    pub data_time: Timestamp,
    /// Its stored bytes.
    pub stored_bytes: u64,
}

/// The replica that a drill made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaSeen {
    /// Its name.
    pub name: ReplicaName,
    /// Where it was: `scratch`, `server`, …
    pub kind: String,
    /// When it was seen to be gone.
    pub gone_at: Timestamp,
}

/// Targets, and whether they were met. Unknown is none, never a guess.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objectives {
    /// How long a restore may take.
    pub rto: Span,
    /// Whether it took no longer.
    pub rto_met: Option<bool>,
    /// How much data may be lost, in time.
    pub rpo: Span,
    /// Whether the newest backup was no older when the drill began; none when another one was drilled.
    pub rpo_met: Option<bool>,
}

impl Record for Evidence {
    const NAME: &'static str = "evidence";
}

impl Evidence {
    /// Whether this proves that backup.
    pub fn proves(&self, backup: BackupId) -> bool {
        self.verdict == Verdict::Proven && self.backup.as_ref().is_some_and(|drilled| drilled.id == backup)
    }

    /// How long the whole drill took.
    pub fn took(&self) -> Duration {
        since(self.finished_at, self.started_at)
    }

    /// How many checks came to this.
    pub fn count(&self, outcome: CheckOutcome) -> usize {
        self.checks.iter().filter(|check| check.outcome == outcome).count()
    }

    /// Measures a restore against what the owner asked for.
    pub fn objectives(rto: Span, rpo: Span, restore_seconds: Option<f64>, age_of_newest: Option<Duration>) -> Objectives {
        Objectives {
            rto,
            rto_met: restore_seconds.map(|seconds| seconds <= rto.duration().as_secs_f64()),
            rpo,
            rpo_met: age_of_newest.map(|age| age <= rpo.duration()),
        }
    }

    /// Keeps the record and its page, with the link that signs it if there is one. Evidence that an earlier attempt already
    /// kept stands as it is.
    pub async fn keep(&self, vault: &Vault, link: Option<&Link>) -> Result<()> {
        let page_key = Key::DrillPage(self.asset.clone(), self.drill).to_string();
        match vault.bucket().put(&page_key, signed_page(self, link).into_bytes().into(), If::Absent).await {
            Err(error) if error.kind() != Kind::Conflict => return Err(error),
            Ok(_) | Err(_) => {}
        }
        match vault.create(&Key::Drill(self.asset.clone(), self.drill), self).await {
            Err(error) if error.kind() != Kind::Conflict => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}
