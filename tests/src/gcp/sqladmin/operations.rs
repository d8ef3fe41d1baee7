//! Operations: what is under way with an instance, and the lock that it holds meanwhile.

use super::{Key, SqlAdmin, State, key, listing, moment};
use crate::{
    gcp::{
        faults::Ending,
        wire::{Call, Refusal},
    },
    pg::Cluster,
};
use lastgood_core::clock::Timestamp;
use serde_json::{Value, json};

/// What an operation does when it begins to run and when it ends.
pub(super) enum Work {
    /// A backup, by its lasting name.
    Backup(String),
    DeleteBackup(String),
    Create,
    Clone {
        source: Key,
        /// The end of the moment, by the machine's clock; none is the present.
        until: Option<Timestamp>,
    },
    Restore {
        backup: String,
        server: Option<Cluster>,
    },
    Delete {
        /// The description of a last backup.
        last: Option<String>,
    },
    Patch(Value),
    Sql(String),
    Export {
        bytes: Result<Vec<u8>, String>,
    },
    Import,
    /// Something of Cloud SQL's own.
    Itself,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Pending,
    Running(usize),
    Done,
}

/// An operation.
pub(super) struct Operation {
    name: String,
    kind: &'static str,
    target: Key,
    locks: Vec<Key>,
    stage: Stage,
    pub(super) work: Work,
    ending: Option<Ending>,
    ghosts: usize,
    pub(super) context: Value,
    error: Option<(&'static str, String)>,
    inserted: Timestamp,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
}

/// Why an operation ends with an error: a word for programs, and one for people.
pub(super) type Failed = (&'static str, String);

impl Operation {
    fn json(&self) -> Value {
        let (project, target) = &self.target;
        let base = format!("https://sqladmin.googleapis.com/v1/projects/{project}");
        let mut json = json!({
            "kind": "sql#operation", "name": self.name, "operationType": self.kind, "user": "lastgood@acme.iam.gserviceaccount.com",
            "status": match self.stage { Stage::Pending => "PENDING", Stage::Running(_) => "RUNNING", Stage::Done => "DONE" },
            "targetId": target, "targetProject": project, "targetLink": format!("{base}/instances/{target}"),
            "selfLink": format!("{base}/operations/{}", self.name), "insertTime": moment(self.inserted),
        });
        for (name, at) in [("startTime", self.started), ("endTime", self.ended)] {
            if let Some(at) = at {
                json[name] = moment(at).into();
            }
        }
        if let Some((code, message)) = &self.error {
            let one = json!({ "kind": "sql#operationError", "code": code, "message": message });
            json["error"] = json!({ "kind": "sql#operationErrors", "errors": [one] });
        }
        for (name, value) in self.context.as_object().into_iter().flatten() {
            json[name] = value.clone();
        }
        json
    }

    fn locks(&self, key: &Key) -> bool {
        self.locks.contains(key)
    }
}

impl SqlAdmin {
    /// Begins an operation on an instance, which nothing else may be under way with.
    pub(super) fn begin(&self, state: &mut State, kind: &'static str, target: &Key, work: Work, context: Value) -> Value {
        let (ending, ghosts) = (self.faults.takes_an_ending(kind), self.faults.rules_now().ghosts);
        let mut locks = vec![target.clone()];
        if let Work::Clone { source, .. } = &work {
            locks.push(source.clone());
        }
        let operation = Operation {
            name: state.unique(),
            kind,
            target: target.clone(),
            locks,
            stage: Stage::Pending,
            work,
            ending,
            ghosts,
            context,
            error: None,
            inserted: self.now(),
            started: None,
            ended: None,
        };
        let json = operation.json();
        state.operations.push(operation);
        json
    }

    /// Whether nothing is under way with an instance. Whoever runs against the lock has looked.
    pub(super) async fn free(&self, state: &mut State, key: &Key) -> Result<(), Refusal> {
        const BUSY: &str =
            "Operation failed because another operation was already in progress. Try your request after the current operation is complete.";
        let holds = |operation: &Operation| operation.locks(key) && (operation.stage != Stage::Done || operation.ghosts > 0);
        let Some(index) = state.operations.iter().position(holds) else { return Ok(()) };
        let operation = &mut state.operations[index];
        if operation.stage == Stage::Done {
            operation.ghosts -= 1;
        } else {
            self.advance(state, index).await;
        }
        Err(Refusal::new(409, "operationInProgress", BUSY))
    }

    /// Somebody has looked at an instance: what is under way with it goes on.
    pub(super) async fn look(&self, state: &mut State, key: &Key) {
        for index in 0..state.operations.len() {
            if state.operations[index].locks(key) {
                self.advance(state, index).await;
            }
        }
    }

    async fn advance(&self, state: &mut State, index: usize) {
        let (looks, now) = (self.faults.rules_now().looks, self.now());
        let operation = &mut state.operations[index];
        let ends = match operation.stage {
            Stage::Done => return,
            Stage::Pending => {
                (operation.stage, operation.started) = (Stage::Running(looks), Some(now));
                let (target, mut work) = (operation.target.clone(), std::mem::replace(&mut operation.work, Work::Itself));
                let context = operation.context.clone();
                let begun = self.begin_work(state, &target, &mut work, &context).await;
                let operation = &mut state.operations[index];
                (operation.work, operation.error) = (work, begun.err());
                looks == 0
            }
            Stage::Running(left) => {
                operation.stage = Stage::Running(left.saturating_sub(1));
                left <= 1
            }
        };
        let operation = &mut state.operations[index];
        if !ends || operation.ending == Some(Ending::Never) {
            return;
        }
        let (target, mut work) = (operation.target.clone(), std::mem::replace(&mut operation.work, Work::Itself));
        let (context, mut ending) = (operation.context.clone(), operation.ending);
        if operation.error.is_some() {
            ending = Some(Ending::Error);
        }
        let ended = self.end_work(state, &target, &mut work, &context, ending).await;
        let operation = &mut state.operations[index];
        (operation.stage, operation.ended) = (Stage::Done, Some(now));
        operation.error = operation.error.take().or(ended.err());
    }

    async fn begin_work(&self, state: &mut State, target: &Key, work: &mut Work, context: &Value) -> Result<(), Failed> {
        match work {
            Work::Backup(backup) => self.begin_backup(state, target, backup).await,
            Work::Create => self.begin_create(state, target).await,
            Work::Clone { source, until } => self.begin_clone(state, target, source, *until).await,
            Work::Restore { backup, server } => self.begin_restore(state, target, backup, server).await,
            Work::Delete { last } => self.begin_delete(state, target, last.as_deref()).await,
            Work::Export { bytes } => {
                *bytes = self.dump(state, target, context).await;
                Ok(())
            }
            Work::DeleteBackup(_) | Work::Patch(_) | Work::Sql(_) | Work::Import | Work::Itself => Ok(()),
        }
    }

    async fn end_work(
        &self,
        state: &mut State,
        target: &Key,
        work: &mut Work,
        context: &Value,
        ending: Option<Ending>,
    ) -> Result<(), Failed> {
        match work {
            Work::Backup(backup) => self.end_backup(state, backup, ending),
            Work::DeleteBackup(backup) => self.end_delete_backup(state, backup, ending),
            Work::Create | Work::Clone { .. } => self.end_create(state, target, ending).await,
            Work::Restore { server, .. } => self.end_restore(state, target, server.take(), ending).await,
            Work::Delete { .. } => self.end_delete(state, target, ending),
            Work::Export { bytes } => self.end_export(std::mem::replace(bytes, Ok(Vec::new())), context, ending),
            Work::Patch(_) | Work::Sql(_) | Work::Import if ending.is_some() => Err(internal()),
            Work::Patch(patch) => self.end_patch(state, target, patch).await,
            Work::Sql(sql) => Self::end_sql(state, target, sql).await,
            Work::Import => self.end_import(state, target, context).await,
            Work::Itself => Ok(()),
        }
    }

    pub(super) async fn list_operations(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let of = call.query("instance").filter(|instance| !instance.is_empty());
        if let (Some(instance), None) = (of, call.query("pageToken")) {
            self.look(state, &(call.names[0].clone(), instance.to_owned())).await;
        }
        let asked = |operation: &&Operation| operation.target.0 == call.names[0] && of.is_none_or(|of| operation.target.1 == of);
        let found: Vec<_> = state.operations.iter().rev().filter(asked).map(Operation::json).collect();
        let page = listing::page(&found, call, "maxResults", self.faults.rules_now().page)?;
        Ok(page.json("sql#operationsList", "items"))
    }

    pub(super) async fn get_operation(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let (project, name) = key(call);
        let of = |operation: &Operation| operation.name == name && operation.target.0 == project;
        let index = state
            .operations
            .iter()
            .position(of)
            .ok_or_else(|| Refusal::new(404, "operationDoesNotExist", "The Cloud SQL instance operation does not exist."))?;
        self.advance(state, index).await;
        Ok(state.operations[index].json())
    }

    /// Lets Cloud SQL do something by itself that locks an instance.
    pub async fn begins_by_itself(&self, project: &str, name: &str, kind: &'static str) {
        let mut state = self.state.lock().await;
        let key = (project.to_owned(), name.to_owned());
        self.begin(&mut state, kind, &key, Work::Itself, Value::Null);
        self.look(&mut state, &key).await;
    }
}

/// What is said of whatever goes wrong inside.
pub(super) fn internal() -> Failed {
    ("INTERNAL_ERROR", "An unknown error occurred. Please try again or contact support.".to_owned())
}
