//! How a volume differs from the one that was recorded: what a restore must bring back, not where it happens to be.

use super::{settings, wire::Volume};
use crate::{
    domain::{
        compare::{CheckResult, shown},
        held::Member,
    },
    error::{Result, invalid},
    providers::{
        aws::marks,
        managed::volumes::{self, Settings, number, text},
    },
};
use serde_json::{Map, Value};

/// Compares the volumes that were made with what was recorded of those that they stand for.
pub(super) fn checks(members: &[Member], recorded: &Settings, made: &[Volume]) -> Result<Vec<CheckResult>> {
    let mut checks = Vec::new();
    for member in members {
        let Some(source) = volumes::recorded(recorded, &member.of) else {
            return Err(invalid(format!("the manifest does not say how {} was set up", member.of)));
        };
        match made.iter().find(|volume| marks::volume(&volume.tags()) == Some(&member.of)) {
            Some(volume) => checks.extend(one(&member.of, source, &settings::of_one(volume))),
            None => checks.push(CheckResult::failed(format!("volume for {}", member.of), "one", "none")),
        }
    }
    Ok(checks)
}

fn one(of: &str, recorded: &Map<String, Value>, found: &Map<String, Value>) -> Vec<CheckResult> {
    let mut checks = Vec::new();
    let (least, size) = (number(recorded, "size").unwrap_or_default(), number(found, "size").unwrap_or_default());
    checks.push(CheckResult::at_least(format!("size of {of}"), least, size, "GiB"));
    if recorded.get("encrypted") == Some(&Value::Bool(true)) {
        let is = if found.get("encrypted") == Some(&Value::Bool(true)) { "encrypted" } else { "not encrypted" };
        checks.push(CheckResult::same(format!("encryption of {of}"), "encrypted", is));
    }
    for setting in ["type", "iops", "throughput", "multi_attach"] {
        let Some(value) = recorded.get(setting).filter(|_| applies(recorded, setting)) else { continue };
        checks.push(CheckResult::told(format!("{} of {of}", setting.replace('_', "-")), shown(Some(value)), shown(found.get(setting))));
    }
    checks
}

/// Whether a volume of its type can be given a setting. What gp2 shows as its IOPS is reckoned from its size.
pub(super) fn applies(recorded: &Map<String, Value>, setting: &str) -> bool {
    match setting {
        "iops" => matches!(text(recorded, "type"), Some("gp3" | "io1" | "io2")),
        "throughput" => text(recorded, "type") == Some("gp3"),
        "multi_attach" => matches!(text(recorded, "type"), Some("io1" | "io2")),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{compare::verdict, drill::Verdict};

    #[test]
    fn r48_what_differs_is_named_and_what_must_differ_is_not() {
        let member = Member { of: "vol-1".into(), reference: "snap-1".into(), bytes: 8 << 30, encrypted: true };
        let recorded: Settings = serde_json::from_value(serde_json::json!({ "volumes": { "vol-1": {
            "type": "gp3", "size": 8, "iops": 4000, "throughput": 250, "encrypted": true, "zone": "eu-west-1a", "multi_attach": false,
            "attached": [{ "instance": "i-1" }], "tags": { "team": "shop" }
        } } }))
        .unwrap();
        let made = |size: u8, kind: &str, encrypted: bool| -> Vec<Volume> {
            vec![quick_xml::de::from_str(&format!(
                "<item><volumeId>vol-9</volumeId><size>{size}</size><volumeType>{kind}</volumeType><iops>4000</iops><throughput>250</throughput>\
                 <encrypted>{encrypted}</encrypted><availabilityZone>eu-west-1b</availabilityZone>\
                 <tagSet><item><key>lastgood:volume</key><value>vol-1</value></item></tagSet></item>"
            ))
            .unwrap()]
        };
        let judged = |made: &[Volume]| verdict(&checks(std::slice::from_ref(&member), &recorded, made).unwrap());
        assert_eq!(judged(&made(8, "gp3", true)), Verdict::Proven);
        assert_eq!(judged(&made(8, "gp2", true)), Verdict::CouldNotVerify);
        assert_eq!(judged(&made(4, "gp3", true)), Verdict::Failed);
        assert_eq!(judged(&made(8, "gp3", false)), Verdict::Failed);
        assert_eq!(judged(&[]), Verdict::Failed);
        assert!(checks(&[Member { of: "vol-2".into(), ..member.clone() }], &recorded, &[]).is_err());
    }
}
