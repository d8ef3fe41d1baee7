//! Operations: accepted at once, over after a few looks, and then it shows how they ended.

use super::{Compute, Turns, World, missing};
use crate::gcp::{Call, Refusal};
use serde_json::{Value, json};

/// Something that goes on.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    name: String,
    /// `zones/europe-west1-b`, `global`.
    at: String,
    turns: Turns,
    error: Option<(String, String)>,
}

impl Operation {
    fn look(&mut self, project: &str) -> Value {
        let status = self.turns.look();
        let mut said =
            json!({ "kind": "compute#operation", "name": self.name, "status": status, "progress": if status == "DONE" { 100 } else { 0 } });
        if let Some((scope, at)) = self.at.split_once('/') {
            said[scope.trim_end_matches('s')] = format!("https://www.googleapis.com/compute/v1/projects/{project}/{scope}/{at}").into();
        }
        if let Some((code, message)) = self.error.as_ref().filter(|_| status == "DONE") {
            said["error"] = json!({ "errors": [{ "code": code, "message": message }] });
            said["httpErrorStatusCode"] = 400.into();
            said["httpErrorMessage"] = "BAD REQUEST".into();
        }
        said
    }
}

impl Compute {
    /// The operation that an order with this id began before.
    pub(super) fn ordered_before(world: &mut World, call: &Call) -> Option<Value> {
        let name = world.requests.get(call.query("requestId")?)?.clone();
        world.operations.get_mut(&name).map(|operation| operation.look(&call.names[0]))
    }

    /// Begins an operation, and answers with it.
    pub(super) fn begin(&self, world: &mut World, call: &Call, at: &str, error: Option<(String, String)>, never: bool) -> Value {
        let name = format!("operation-{}", world.next());
        let looks = if never { 10_000 } else { self.faults.rules_now().looks };
        let turns = Turns { left: [vec!["RUNNING"; looks], vec!["PENDING"]].concat(), end: "DONE" };
        let mut operation = Operation { name: name.clone(), at: at.to_owned(), turns, error };
        let said = operation.look(&call.names[0]);
        world.operations.insert(name.clone(), operation);
        if let Some(id) = call.query("requestId") {
            world.requests.insert(id.to_owned(), name);
        }
        said
    }

    pub(super) fn operation_seen(&self, call: &Call) -> Result<Value, Refusal> {
        let mut world = self.world();
        let operation = world.operations.get_mut(&call.names[1]).ok_or_else(|| missing(&call.names[1]))?;
        Ok(operation.look(&call.names[0]))
    }
}
