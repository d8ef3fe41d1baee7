//! Pages: moto answers everything at once, RDS never more than it likes.

use super::{AUTOMATED, Rds};
use crate::aws::{
    wire::{Call, Refusal, ask},
    xml::Node,
};

impl Rds {
    /// Asks moto for everything and returns the page that was asked for.
    pub(super) async fn page(&self, call: &Call, list: &str) -> Result<Node, Refusal> {
        self.page_of(call, list, |_| true).await
    }

    /// The same of snapshots: those that were taken by itself only if they are asked for, and none that only moto knows.
    pub(super) async fn page_of_snapshots(&self, call: &Call, list: &str, ours: impl Fn(&Node) -> bool) -> Result<Node, Refusal> {
        let kind = call.get("SnapshotType").to_owned();
        let mut whole = call.clone();
        whole.params.remove("SnapshotType");
        let automated = |node: &Node| {
            let name = ["DBSnapshotIdentifier", "DBClusterSnapshotIdentifier"].map(|name| node.get(name)).concat();
            name.starts_with(AUTOMATED)
        };
        let wanted = |node: &Node| match kind.as_str() {
            "automated" => automated(node) && ours(node),
            "manual" => !automated(node),
            _ => !automated(node) || ours(node),
        };
        self.page_of(&whole, list, wanted).await
    }

    async fn page_of(&self, call: &Call, list: &str, wanted: impl Fn(&Node) -> bool) -> Result<Node, Refusal> {
        let most = match call.get("MaxRecords") {
            "" => 100,
            text => text.parse().ok().filter(|most| (20..=100).contains(most)).ok_or_else(|| {
                let message = format!("Invalid value {text} for MaxRecords. Must be between 20 and 100");
                Refusal::new("InvalidParameterValue", message)
            })?,
        };
        let most = self.faults.rules_now().page.min(most);
        let start: usize = match call.get("Marker") {
            "" => 0,
            marker => {
                let at = marker.strip_prefix("page-").and_then(|at| at.parse().ok());
                at.ok_or_else(|| Refusal::new("InvalidParameterValue", "The Marker is not one of ours"))?
            }
        };
        let mut whole = call.clone();
        whole.params.remove("MaxRecords");
        whole.params.remove("Marker");
        let mut answer = ask(self.moto, &whole).await?;
        let mut next = None;
        if let Some(found) = answer.find_mut(list) {
            found.children.retain(&wanted);
            let all = found.children.len();
            found.children = found.children.drain(..).skip(start).take(most).collect();
            next = (start + most < all).then(|| format!("page-{}", start + most));
        }
        let result = format!("{}Result", call.action);
        if let Some(result) = answer.find_mut(&result) {
            result.remove("Marker");
            if let Some(next) = next {
                result.set("Marker", &next);
            }
        }
        Ok(answer)
    }
}
