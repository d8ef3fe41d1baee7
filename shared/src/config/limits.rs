//! What an asset whose snapshots a provider holds can be asked for, and what is refused because nobody could do it: better here, by
//! `config check`, than on the night.

use super::{Check, Copies, DrillTarget, EbsDrill, Format, Policy, Source, google, raw::RawAsset, read::Reader, secrets};
use crate::{
    domain::place::{Place, Scheme},
    error::Result,
};
use serde_saphyr::Spanned;

impl Reader<'_> {
    /// Refuses what cannot be done for this kind of asset.
    pub(super) fn suits(&self, path: &str, at: &Spanned<RawAsset>, source: &Source, policy: &Policy, vault: &Place) -> Result<()> {
        let refused = match source {
            Source::Volume { place: home, .. } => volume(home, policy),
            Source::Disk { .. } => google::disk(policy),
            Source::Memorystore { .. } => google::memorystore(policy),
            Source::Secrets { .. } => secrets::limits(policy),
            Source::Elasticache { .. } => elasticache(policy),
            Source::Cloudsql { project, instance, url, .. } => {
                cloudsql(project, instance, url.is_some(), policy, vault).or_else(|| others(source, policy))
            }
            Source::Postgres { .. } | Source::Rds { .. } | Source::Bucket { .. } | Source::Redis { .. } => others(source, policy),
        };
        let offloads = policy.export.as_ref().is_some_and(|export| export.offload || export.database.is_some());
        let stray = offloads && !matches!(source, Source::Cloudsql { .. });
        let stray = stray.then(|| refuse("export.offload", "only Cloud SQL writes exports itself", "leave `offload` and `database` out"));
        match refused.or(stray).or_else(|| google::only_there(source, policy)) {
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

/// Google's names: what stands in an address must not lead elsewhere in it.
fn is_googles(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=98).contains(&name.len()) && name.bytes().all(plain) && name.starts_with(|first: char| first.is_ascii_lowercase())
}

fn cloudsql(project: &str, instance: &str, url: bool, policy: &Policy, vault: &Place) -> Option<Refusal> {
    if !is_googles(project) {
        return Some(refuse("project", &format!("{project:?} is no id of a project"), "write the project's id, not its name or number"));
    }
    if !is_googles(instance) {
        return Some(refuse("instance", &format!("{instance:?} is no name of an instance"), "write its name without its project"));
    }
    if policy.copies.iter().any(|copy| matches!(copy, Copies::Region { .. })) {
        return Some(refuse(
            "copies",
            "Cloud SQL copies no backup to another region: where one lies is said when it is made",
            "write `snapshot: { location: europe-west4 }`, and copy exports with `- { vault: gs://… }`",
        ));
    }
    if let Some(location) = policy.snapshot.as_ref().and_then(|snapshot| snapshot.location.as_ref()).filter(|at| !is_googles(at)) {
        return Some(refuse("snapshot.location", &format!("{location:?} is no location"), "write a region, or `eu`, `us`, `asia`"));
    }
    if let Some(export) = &policy.export
        && export.offload
    {
        if export.format != Format::default() && export.format != Format::Plain {
            return Some(refuse("export.format", "Cloud SQL writes plain dumps only", "leave `format` out, or write `plain`"));
        }
        if !export.tables_csv.is_empty() || export.digests {
            let what = "what Cloud SQL writes itself has neither CSV beside it nor digests of its tables";
            return Some(refuse("export.offload", what, "leave `tables_csv` and `digests` out, or `offload`"));
        }
        if export.through.as_ref().unwrap_or(vault).scheme() != Scheme::Gs {
            return Some(refuse("export.through", "Cloud SQL writes to Cloud Storage only", "write `through: gs://bucket/prefix`"));
        }
    } else if policy.export.is_some() && !url {
        return Some(refuse("export", "it names no `url` to export its database from", "add `url: REF` to it, or take snapshots only"));
    }
    let drill = policy.drill.as_ref()?;
    let into = match &drill.into {
        DrillTarget::Cloudsql(into) => into,
        DrillTarget::Rds(_) => {
            return Some(refuse("drill.into", "RDS restores no backup of Cloud SQL", "write `into: { cloudsql: {} }`, or `into: scratch`"));
        }
        DrillTarget::Scratch | DrillTarget::Server(_) | DrillTarget::Ebs(_) | DrillTarget::Disk(_) => return None,
    };
    if into.network.as_ref().is_some_and(|network| !is_network(network)) {
        return Some(refuse("drill.into", "the drill's network is not one", "write `network: projects/PROJECT/global/networks/NAME`"));
    }
    if drill.point_in_time.is_some() && into.region.is_some() {
        return Some(refuse("drill.into", "a moment is restored in the source's own region", "leave `region` out, or `point_in_time`"));
    }
    if into.region.as_ref().is_some_and(|region| !is_googles(region)) {
        return Some(refuse("drill.into", "the drill's region is not one", "write one such as `europe-west4`"));
    }
    None
}

/// `projects/PROJECT/global/networks/NAME`.
fn is_network(path: &str) -> bool {
    matches!(path.split('/').collect::<Vec<_>>()[..], ["projects", project, "global", "networks", name] if is_googles(project) && is_googles(name))
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
