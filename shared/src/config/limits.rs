//! What an asset whose snapshots a provider holds can be asked for, and what is refused because nobody could do it: better here, by
//! `config check`, than on the night.

use super::{Check, Copies, DrillTarget, EbsDrill, Policy, Source, google, raw::RawAsset, read::Reader};
use crate::{domain::place::Place, error::Result};
use serde_saphyr::Spanned;

impl Reader<'_> {
    /// Refuses what cannot be done for this kind of asset.
    pub(super) fn suits(&self, path: &str, at: &Spanned<RawAsset>, source: &Source, policy: &Policy) -> Result<()> {
        let refused = match source {
            Source::Volume { place: home, .. } => volume(home, policy),
            Source::Disk { .. } => google::disk(policy),
            Source::Memorystore { .. } => google::memorystore(policy),
            Source::Elasticache { .. } => elasticache(policy),
            Source::Postgres { .. }
            | Source::Rds { .. }
            | Source::Cloudsql { .. }
            | Source::Bucket { .. }
            | Source::Redis { .. }
            | Source::Secrets { .. } => others(source, policy),
        };
        match refused.or_else(|| google::only_there(source, policy)) {
            None => Ok(()),
            Some((key, what, hint)) => Err(self.wrong(at, &format!("{path}.{key}"), &what, hint)),
        }
    }
}

/// The key, what is wrong with it, and the fix.
pub(super) type Refusal = (&'static str, String, &'static str);

pub(super) fn refuse(key: &'static str, what: &str, hint: &'static str) -> Refusal {
    (key, what.to_owned(), hint)
}

fn volume(home: &Place, policy: &Policy) -> Option<Refusal> {
    if policy.export.is_some() {
        return Some(refuse(
            "export",
            "a volume has no logical export",
            "give it a `snapshot`, or export the database on it as an asset of its own",
        ));
    }
    if policy.copies.iter().any(|copy| matches!(copy, Copies::Vault { .. })) {
        return Some(refuse(
            "copies",
            "EBS keeps snapshots in its own regions, not in a vault",
            "write `- { region: us-east-1, kms_key: alias/dr }`",
        ));
    }
    let drill = policy.drill.as_ref()?;
    let DrillTarget::Ebs(into) = &drill.into else {
        return Some(refuse("drill.into", "a volume is drilled in EBS alone", "write `into: { ebs: { zone: eu-west-1a } }`"));
    };
    if drill.checks.iter().any(|check| !matches!(check, Check::Filesystem { .. })) {
        return Some(refuse("drill.checks", "a volume is read, not asked: it answers no such check", "write `- { filesystem: ext4 }`"));
    }
    zones(home, into, drill.from.as_ref())
}

/// A zone lies in its region, and a drill of a copy needs one there.
fn zones(home: &Place, into: &EbsDrill, from: Option<&Place>) -> Option<Refusal> {
    let mut zones = into.zones.iter().map(|(region, zone)| (region.as_str(), zone));
    let stray = zones
        .find(|(region, zone)| !lies_in(zone, region))
        .or(Some((home.bucket(), &into.zone)).filter(|(region, zone)| !lies_in(zone, region)));
    if let Some((region, zone)) = stray {
        return Some(refuse("drill.into", &format!("{zone} is no availability zone of {region}"), "write one such as `eu-west-1a`"));
    }
    let from = from.filter(|from| from.holds_snapshots() && *from != home)?;
    if into.zones.contains_key(from.bucket()) {
        return None;
    }
    Some(refuse(
        "drill.into",
        &format!("no zone of {} is named, where the copy is that is drilled", from.bucket()),
        "add `zones: { us-east-1: us-east-1a }`",
    ))
}

fn lies_in(zone: &str, region: &str) -> bool {
    zone.strip_prefix(region).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
}

fn elasticache(policy: &Policy) -> Option<Refusal> {
    if policy.export.is_some() {
        return Some(refuse("export", "ElastiCache lets nobody export logically", "give it a `snapshot`"));
    }
    if !policy.copies.is_empty() {
        let what = "ElastiCache copies no snapshot to another region or account: it exports one to S3 in its own region, and no further";
        return Some(refuse("copies", what, "leave `copies` out; for a cache elsewhere use a Global Datastore"));
    }
    if policy.drill.is_some() {
        return Some(refuse(
            "drill",
            "snapshots of ElastiCache cannot be drilled by this build",
            "leave `drill` out: freshness is checked all the same",
        ));
    }
    None
}

fn others(source: &Source, policy: &Policy) -> Option<Refusal> {
    let drill = policy.drill.as_ref()?;
    if matches!(drill.into, DrillTarget::Ebs(_)) {
        return Some(refuse(
            "drill.into",
            &format!("a {} asset cannot be drilled in EBS", source.kind()),
            "`ebs` drills assets of kind volume",
        ));
    }
    if matches!(drill.into, DrillTarget::Disk(_)) {
        return Some(refuse(
            "drill.into",
            &format!("a {} asset cannot be drilled in disks", source.kind()),
            "`disk` drills volumes of Google's",
        ));
    }
    if drill.checks.iter().any(|check| matches!(check, Check::Filesystem { .. })) {
        return Some(refuse(
            "drill.checks",
            &format!("a {} asset has no file system to look for", source.kind()),
            "`filesystem` checks volumes",
        ));
    }
    None
}
