//! What tells a thing of Cloud SQL as ours: a backup by its description, an instance by its labels.
//!
//! Google takes no token with a backup, and no label: what it is is written into its description, and read back strictly.
//! Labels are short and of lower case, so a moment is counted in seconds.

use crate::{
    clock::Timestamp,
    domain::{
        drill::ReplicaName,
        held::{Label, SnapshotName},
    },
    id::{AssetName, BackupId, Slot},
};
use serde_json::{Map, Value, json};

/// How a description of ours begins; a later form gets another number.
const FORM: &str = "lastgood/1";
/// No description of ours is longer.
const LONGEST: usize = 250;

const ASSET: &str = "lastgood-asset";
const SLOT: &str = "lastgood-slot";
const EXPIRES: &str = "lastgood-expires";
const READY: &str = "lastgood-ready";
const RESTORED: &str = "lastgood-restored";
const OURS: &str = "lastgood-";

/// The description of a backup of ours.
pub(super) fn description(label: &Label) -> String {
    format!("{FORM} {} of {} {}", label.backup, label.asset, label.name)
}

/// What a description says; none where it is not one of ours, to the letter.
pub(super) fn read(description: &str) -> Option<Label> {
    if description.len() > LONGEST {
        return None;
    }
    let parts: Vec<&str> = description.split(' ').collect();
    let [FORM, backup, "of", asset, name] = parts[..] else { return None };
    let label = Label { name: SnapshotName(name.to_owned()), asset: asset.parse().ok()?, backup: backup.parse().ok()? };
    (self::description(&label) == description).then_some(label)
}

/// The labels of a replica. Its name is made of its asset and its slot, which are short enough to be labels.
pub(super) fn of_replica(asset: &AssetName, slot: &str, expires: Timestamp) -> Value {
    json!({ ASSET: asset.as_str(), SLOT: slot, EXPIRES: expires.as_second().to_string() })
}

/// The slot at the end of a replica's name: `20261120t060000z`.
pub(super) fn slot_of(name: &ReplicaName, asset: &AssetName) -> Option<String> {
    let slot = name.0.strip_prefix(&format!("lastgood-drill-{asset}-"))?;
    slot_text(slot).is_some_and(|slot| ReplicaName::derive(asset, &slot) == *name).then(|| slot.to_owned())
}

fn slot_text(text: &str) -> Option<Slot> {
    text.to_ascii_uppercase().parse().ok()
}

/// What the labels of an instance say: whose replica it is, its name and when it must be gone.
pub(super) fn replica(instance: &super::wire::Instance) -> Option<(AssetName, ReplicaName, Timestamp)> {
    let asset: AssetName = instance.label(ASSET)?.parse().ok()?;
    let name = ReplicaName::derive(&asset, &slot_text(instance.label(SLOT)?)?);
    let expires = Timestamp::from_second(instance.label(EXPIRES)?.parse().ok()?).ok()?;
    Some((asset, name, expires))
}

/// The label of a replica that may be asked.
pub(super) fn ready() -> (String, Value) {
    (READY.to_owned(), json!("true"))
}

/// Whether a replica may be asked.
pub(super) fn is_ready(instance: &super::wire::Instance) -> bool {
    instance.label(READY) == Some("true")
}

/// Whether an instance bears any label of ours.
pub(super) fn is_marked(instance: &super::wire::Instance) -> bool {
    instance.settings.get("userLabels").and_then(Value::as_object).is_some_and(|labels| labels.keys().any(|key| key.starts_with(OURS)))
}

/// The labels of an instance that is restored for real: those that its source had, and the backup that it is of.
pub(super) fn of_restored(backup: BackupId, recorded: Option<&Value>) -> Value {
    let mut labels = peoples(recorded);
    labels.insert(RESTORED.to_owned(), json!(backup.to_string().to_ascii_lowercase()));
    Value::Object(labels)
}

/// The backup that an instance was restored from, for real.
pub(super) fn restored(instance: &super::wire::Instance) -> Option<BackupId> {
    instance.label(RESTORED)?.to_ascii_uppercase().parse().ok()
}

/// The labels that people gave.
pub(super) fn peoples(labels: Option<&Value>) -> Map<String, Value> {
    let all = labels.and_then(Value::as_object).into_iter().flatten();
    all.filter(|(key, _)| !key.starts_with(OURS)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::gcp::sql::wire::Instance;
    use proptest::prelude::*;

    fn label() -> Label {
        Label {
            name: SnapshotName("lastgood-pegasus-db-20261120t030000z".into()),
            asset: "pegasus-db".parse().unwrap(),
            backup: "01KAFYF000B5M1Y0Z9P4T1D3QK".parse().unwrap(),
        }
    }

    fn labelled(labels: &Value) -> Instance {
        serde_json::from_value(json!({ "settings": { "userLabels": labels } })).unwrap()
    }

    #[test]
    fn r04_a_description_is_ours_to_the_letter_or_not_at_all() {
        let ours = description(&label());
        assert_eq!(ours, "lastgood/1 01KAFYF000B5M1Y0Z9P4T1D3QK of pegasus-db lastgood-pegasus-db-20261120t030000z");
        assert_eq!(read(&ours), Some(label()));
        for strange in [
            String::new(),
            "Manual backup 2026-11-20-0300".into(),
            format!("{ours} "),
            format!(" {ours}"),
            ours.replace("lastgood/1", "lastgood/2"),
            ours.replace(" of ", " OF "),
            ours.replace("01KAFYF000B5M1Y0Z9P4T1D3QK", "01kafyf000b5m1y0z9p4t1d3qk"),
            ours.replace("01KAFYF000B5M1Y0Z9P4T1D3QK", "hand-made"),
            format!("{ours}{}", "x".repeat(300)),
        ] {
            assert_eq!(read(&strange), None, "{strange:?}");
        }
        let longest = Label { name: SnapshotName("n".repeat(63)), asset: "a".repeat(63).parse().unwrap(), backup: label().backup };
        assert_eq!(read(&description(&longest)), Some(longest));
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_description_nothing_breaks(text in "\\PC{0,300}") {
            prop_assert!(read(&text).is_none_or(|label| description(&label) == text));
        }
    }

    #[test]
    fn a_replicas_labels_fit_googles_rules_and_name_it() {
        let asset: AssetName = "a".repeat(63).parse().unwrap();
        let slot = Slot("2026-11-20T06:00:00Z".parse().unwrap());
        let name = ReplicaName::derive(&asset, &slot);
        let expires: Timestamp = "2026-11-20T14:00:00Z".parse().unwrap();
        let mut labels = of_replica(&asset, &slot_of(&name, &asset).unwrap(), expires);
        let fits =
            |text: &str| text.len() <= 63 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
        assert!(labels.as_object().unwrap().iter().all(|(key, value)| fits(key) && fits(value.as_str().unwrap())), "{labels}");
        assert_eq!(replica(&labelled(&labels)), Some((asset.clone(), name, expires)));
        assert!(!is_ready(&labelled(&labels)));
        let (key, value) = ready();
        labels[key] = value;
        assert!(is_ready(&labelled(&labels)));
        assert_eq!(
            replica(&labelled(&json!({ ASSET: "x", SLOT: "20261120t060000z" }))),
            None,
            "what does not say when it expires is not ours"
        );
        assert_eq!(slot_of(&ReplicaName("lastgood-drill-other-20261120t060000z".into()), &asset), None);
    }

    #[test]
    fn a_restored_instance_has_its_sources_labels_and_says_what_it_is_of() {
        let recorded = json!({ "team": "pegasus", "lastgood-asset": "x" });
        let restored = labelled(&of_restored(label().backup, Some(&recorded)));
        assert_eq!(
            (super::restored(&restored), restored.label("team"), restored.label(ASSET)),
            (Some(label().backup), Some("pegasus"), None)
        );
        assert!(is_marked(&restored) && !is_marked(&labelled(&json!({ "team": "pegasus" }))));
    }
}
