//! Exports to S3: moto is done before it answers, RDS takes its time and says how far it is.

use super::{
    Rds, Regions,
    under_way::{End, UnderWay},
};
use crate::aws::{
    wire::{Call, Refusal, ask},
    xml::Node,
};

fn dress(node: &mut Node, under_way: &UnderWay) {
    let (status, percent) = match under_way.state() {
        "available" => ("COMPLETE", "100"),
        "STARTING" => ("STARTING", "0"),
        under_way => (under_way, "40"),
    };
    node.set("Status", status);
    node.set("PercentProgress", percent);
}

impl Rds {
    pub(super) async fn start_export(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let mut answer = ask(self.moto, call).await?;
        let looks = self.faults.rules_now().looks;
        let mut under_way = UnderWay::new("STARTING", 1, End::Available);
        under_way.shows(&vec!["IN_PROGRESS"; looks]);
        if let Some(node) = answer.find_mut("StartExportTaskResult") {
            dress(node, &under_way);
        }
        let exports = &mut regions.entry(call.region.clone()).or_default().exports;
        exports.insert(call.get("ExportTaskIdentifier").to_owned(), under_way);
        Ok(answer)
    }

    pub(super) async fn describe_exports(&self, regions: &mut Regions, call: &Call) -> Result<Node, Refusal> {
        let exports = &mut regions.entry(call.region.clone()).or_default().exports;
        let mut answer = self.page(call, "ExportTasks").await?;
        answer.each("ExportTask", &mut |node| {
            if let Some(under_way) = exports.get_mut(&node.get("ExportTaskIdentifier")) {
                dress(node, under_way);
                under_way.look();
            }
        });
        Ok(answer)
    }
}
