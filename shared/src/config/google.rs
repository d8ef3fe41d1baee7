//! Disks of Google's in the config: how they are named, how they are drilled, and what nobody could do for them.

use super::{
    Copies, Format, Policy, ProjectId, SecretsProvider, Source,
    asset::DiskAt,
    drill::DrillTarget,
    limits::{Refusal, refuse},
    raw::RawAsset,
    read::Reader,
};
use crate::{
    domain::place::{Place, Scheme},
    error::Result,
};
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

/// Where throwaway disks are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiskDrill {
    /// The zone: any, since a snapshot can be restored everywhere.
    pub zone: String,
    /// The project, best one of its own for drills; the disk's when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
}

impl Reader<'_> {
    /// Reads a volume that Google keeps.
    pub(super) fn disk(&self, path: &str, at: &Spanned<RawAsset>) -> Result<Source> {
        let asset = &at.value;
        let wrong = |key: &str, what: &str, hint: &str| Err(self.wrong(at, &format!("{path}{key}"), what, hint));
        if asset.instance.is_some() {
            let what = "Google takes snapshots disk by disk: those of a machine's disks are not of one moment";
            let hint = "name each disk in an asset of its own, by `volume` and `zone`; put what must be of one moment on one disk";
            return wrong(".instance", what, hint);
        }
        let project = self.need(path, at, "project", asset.project.as_ref())?;
        let id: ProjectId = project.parse().map_err(|error| self.retold(path, at, "project", &error))?;
        let place = Place::gcp(id.as_str(), None).map_err(|error| self.retold(path, at, "project", &error))?;
        let volume = self.need(path, at, "volume", asset.volume.as_ref())?;
        if !is_disk(&volume) {
            return wrong(
                ".volume",
                &format!("{volume:?} is no name of a disk"),
                "write its name, such as `data-1`; neither a path nor an id",
            );
        }
        let at = match (&asset.zone, &asset.region) {
            (Some(zone), None) if is_zone(&zone.value) => DiskAt::Zone(zone.value.clone()),
            (Some(_), None) => return wrong(".zone", "that is no zone", "write one such as `europe-west1-b`"),
            (None, Some(region)) if is_region(&region.value) => DiskAt::Region(region.value.clone()),
            (None, Some(_)) => return wrong(".region", "that is no region", "write one such as `europe-west1`"),
            (None, None) => {
                return wrong("", "missing key `zone`", "add `zone: …`, or `region: …` for a disk that is in two zones at once");
            }
            (Some(_), Some(_)) => {
                return wrong("", "it is either in a `zone` or in a `region`", "keep `region` for a disk that is in two zones at once");
            }
        };
        Ok(Source::Disk { provider: SecretsProvider::Gcp, project, volume, at, place })
    }

    /// Reads a Redis that Memorystore keeps.
    pub(super) fn memorystore(&self, path: &str, at: &Spanned<RawAsset>) -> Result<Source> {
        let asset = &at.value;
        let wrong = |key: &str, what: &str, hint: &str| Err(self.wrong(at, &format!("{path}.{key}"), what, hint));
        let project = self.need(path, at, "project", asset.project.as_ref())?;
        project.parse::<ProjectId>().map_err(|error| self.retold(path, at, "project", &error))?;
        let region = self.need(path, at, "region", asset.region.as_ref())?;
        if !is_region(&region) {
            return wrong("region", "that is no region", "write one such as `europe-west1`");
        }
        let instance = self.need(path, at, "instance", asset.instance.as_ref())?;
        if !is_disk(&instance) || instance.len() > 40 {
            return wrong("instance", &format!("{instance:?} is no name of an instance"), "write its name, such as `shop-cache`; no path");
        }
        Ok(Source::Memorystore { provider: SecretsProvider::Gcp, project, region, instance })
    }
}

/// What a policy asks of a Redis of Memorystore that nobody could do.
pub(super) fn memorystore(policy: &Policy) -> Option<Refusal> {
    if policy.snapshot.is_some() {
        let hint = "give it an `export`, whose RDB file the vault keeps";
        return Some(refuse("snapshot", "the snapshots of Memorystore are its own: nobody can keep or restore one", hint));
    }
    let Some(export) = &policy.export else {
        let hint = "give it `export: { schedule: \"0 2 * * *\", through: gs://bucket/prefix }`";
        return Some(refuse("export", "nothing is to be taken of it", hint));
    };
    if export.through.as_ref().is_none_or(|through| through.scheme() != Scheme::Gs) {
        let hint = "write `through: gs://bucket/prefix`, a bucket in its region that nobody else reads";
        return Some(refuse("export.through", "Memorystore exports through a bucket of Cloud Storage", hint));
    }
    if export.format != Format::default() || !export.tables_csv.is_empty() || export.digests {
        let what = "an export of Redis is an RDB file: it has no format, tables or digests of tables";
        return Some(refuse("export", what, "leave `format`, `tables_csv` and `digests` out"));
    }
    if policy.copies.iter().any(|copy| matches!(copy, Copies::Region { .. })) {
        let what = "the vault holds exports of Redis, and no region does";
        return Some(refuse("copies", what, "write `- { vault: gs://… }`"));
    }
    let drill = policy.drill.as_ref()?;
    if !matches!(drill.into, DrillTarget::Scratch) {
        let what = "an export of Redis is drilled in a throwaway server on the machine that drills";
        return Some(refuse("drill.into", what, "write `into: scratch`, or leave `into` out"));
    }
    if !drill.checks.is_empty() {
        let what = "a Redis answers no such check: its keys are counted and compared with those of the export";
        return Some(refuse("drill.checks", what, "leave `checks` out"));
    }
    None
}

/// What a policy asks of a disk of Google's that nobody could do.
pub(super) fn disk(policy: &Policy) -> Option<Refusal> {
    if policy.export.is_some() {
        let hint = "give it a `snapshot`, or export the database on it as an asset of its own";
        return Some(refuse("export", "a volume has no logical export", hint));
    }
    if !policy.copies.is_empty() {
        let what = "Google copies no snapshot, and never moves one to another location";
        return Some(refuse("copies", what, "write `snapshot: { location: us }`: stored away from the disk's region, it survives that"));
    }
    if let Some(location) = policy.snapshot.as_ref().and_then(|snapshot| snapshot.location.as_ref())
        && !(is_region(location) || matches!(location.as_str(), "us" | "eu" | "asia"))
    {
        let hint = "write a region such as `europe-west4`, or `us`, `eu` or `asia`";
        return Some(refuse("snapshot.location", &format!("{location:?} is no location of snapshots"), hint));
    }
    let drill = policy.drill.as_ref()?;
    let DrillTarget::Disk(into) = &drill.into else {
        let hint = "write `into: { disk: { zone: europe-west1-b } }`";
        return Some(refuse("drill.into", "a disk of Google's is drilled in disks of Google's alone", hint));
    };
    if !is_zone(&into.zone) {
        return Some(refuse("drill.into", &format!("{:?} is no zone", into.zone), "write one such as `europe-west1-b`"));
    }
    if !drill.checks.is_empty() {
        let what = "no machine runs in the drill of a disk, and Google lets nobody else read one: no check could be asked";
        return Some(refuse("drill.checks", what, "leave `checks` out; the drill says what it saw, and that nothing was read"));
    }
    None
}

/// What only snapshots of Google's disks can be asked for.
pub(super) fn only_there(source: &Source, policy: &Policy) -> Option<Refusal> {
    if policy.export.as_ref().is_some_and(|export| export.through.is_some())
        && !matches!(source, Source::Memorystore { .. } | Source::Cloudsql { .. })
    {
        let what = format!("an export of a {} asset goes through no bucket", source.kind());
        return Some(refuse("export.through", &what, "only Memorystore and Cloud SQL write exports themselves: leave it out"));
    }
    let snapshot = policy.snapshot.as_ref().filter(|_| !matches!(source, Source::Disk { .. }))?;
    let told_where = snapshot.location.is_some() && !matches!(source, Source::Cloudsql { .. });
    let keys = [("snapshot.location", told_where), ("snapshot.guest_flush", snapshot.guest_flush)];
    let (key, _) = keys.into_iter().find(|(_, given)| *given)?;
    Some(refuse(
        key,
        &format!("a {} asset has no such setting", source.kind()),
        "only volumes of Google's, and of `location` Cloud SQL, have it: leave it out",
    ))
}

fn words(text: &str) -> Option<Vec<&str>> {
    let plain = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let words: Vec<_> = text.split('-').collect();
    (text.len() <= 63 && words.iter().copied().all(plain)).then_some(words)
}

/// `europe-west1`.
pub(crate) fn is_region(text: &str) -> bool {
    let numbered = |word: &str| word.ends_with(|c: char| c.is_ascii_digit()) && word.starts_with(|c: char| c.is_ascii_lowercase());
    words(text).is_some_and(|words| matches!(words[..], [_, place] if numbered(place)))
}

/// `europe-west1-b`.
pub(crate) fn is_zone(text: &str) -> bool {
    text.rsplit_once('-').is_some_and(|(region, letter)| is_region(region) && words(letter).is_some_and(|words| words[0].len() <= 2))
}

/// A name as disks and snapshots have it.
pub(crate) fn is_disk(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(plain) && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_regions_and_names_are_told_apart() {
        assert!(is_region("europe-west1") && is_region("northamerica-northeast2") && is_zone("europe-west1-b") && is_zone("us-central1-a"));
        for text in ["", "europe", "us", "europe-west1-", "europe-west1/b", "EUROPE-west1", "a-1"] {
            assert!(!is_region(text) && !is_zone(text), "{text}");
        }
        assert!(!is_zone("europe-west1") && !is_region("europe-west1-b"));
        assert!(is_disk("data-1") && !is_disk("1-data") && !is_disk("data-") && !is_disk("a/b") && !is_disk(&"a".repeat(64)));
    }
}
