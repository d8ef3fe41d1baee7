//! Sets of secrets in the config: where they are, whom their exports are encrypted to, and what nobody could do for them.

use super::{
    Asset, Config, Copies, Format, Policy, SecretRef, SecretsAt, SecretsProvider, Source,
    drill::DrillTarget,
    limits::{Refusal, refuse},
    raw::{RawAsset, RawKind},
    read::Reader,
};
use crate::{
    domain::place::Place,
    error::{Error, Result},
    id::AssetName,
};
use serde_saphyr::Spanned;
use std::path::PathBuf;

impl Reader<'_> {
    /// Reads a set of secrets.
    pub(super) fn secrets(&self, path: &str, at: &Spanned<RawAsset>) -> Result<Source> {
        let asset = &at.value;
        let provider = self.need(path, at, "provider", asset.provider.as_ref())?;
        let place = match provider {
            SecretsProvider::Gcp => {
                let project = self.need(path, at, "project", asset.project.as_ref())?;
                if !is_place(&project) {
                    let hint = "write its id, such as `acme-prod`; neither its number nor its name";
                    return Err(self.wrong(at, &format!("{path}.project"), "this is no id of a project", hint));
                }
                SecretsAt::Project(project)
            }
            SecretsProvider::Aws => {
                let region = self.need(path, at, "region", asset.region.as_ref())?;
                Place::aws(&region, None).map_err(|error| self.retold(path, at, "region", &error))?;
                SecretsAt::Region(region)
            }
        };
        let prefix = asset.prefix.as_ref().map(|prefix| prefix.value.clone());
        if prefix.as_ref().is_some_and(|prefix| prefix.is_empty() || prefix.len() > 255 || !prefix.chars().all(is_of_a_name)) {
            let hint = "write how the names begin, such as `prod/` or `shop-`, or leave `prefix` out";
            return Err(self.wrong(at, &format!("{path}.prefix"), "no name of a secret begins so", hint));
        }
        Ok(Source::Secrets { provider, at: place, prefix })
    }

    /// Refuses a set of secrets whose exports anybody could read who can read the vault.
    pub(super) fn unsealed(&self, name: &AssetName, at: &Spanned<RawAsset>, openpgp: &[PathBuf]) -> Option<Error> {
        (at.value.kind == RawKind::Secrets && openpgp.is_empty()).then(|| {
            let what = "secrets are exported encrypted or not at all, and no key is named";
            let hint = "add `encryption: { openpgp: [keys/backup.asc] }` to the config; keep the secret key where none of these secrets is";
            self.wrong(at, &format!("assets.{name}"), what, hint)
        })
    }
}

/// Whether a name of a secret may have this in either cloud.
pub(crate) fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/_+=.@-!".contains(c)
}

/// A project or a region, as far as its letters go.
pub(crate) fn is_place(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:".contains(c);
    (1..=98).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(plain)
}

/// What a policy asks of a set of secrets that nobody could do.
pub(super) fn limits(policy: &Policy) -> Option<Refusal> {
    if policy.snapshot.is_some() {
        return Some(refuse("snapshot", "nobody takes snapshots of secrets", "give it an `export`, which the vault keeps encrypted"));
    }
    let Some(export) = &policy.export else {
        return Some(refuse("export", "nothing is to be taken of it", "give it `export: { schedule: \"30 3 * * *\" }`"));
    };
    if export.format != Format::default() || !export.tables_csv.is_empty() || export.digests {
        let what = "an export of secrets is one file of JSON lines: it has no format, tables or digests of tables";
        return Some(refuse("export", what, "leave `format`, `tables_csv` and `digests` out"));
    }
    if policy.copies.iter().any(|copy| matches!(copy, Copies::Region { .. })) {
        return Some(refuse("copies", "the vault holds exports of secrets, and no region does", "write `- { vault: s3://… }`"));
    }
    let drill = policy.drill.as_ref()?;
    if !matches!(drill.into, DrillTarget::Scratch) {
        let what = "an export of secrets is drilled where the drill runs: it is opened, read and compared, and restored nowhere";
        return Some(refuse("drill.into", what, "write `into: scratch`, or leave `into` out"));
    }
    if !drill.checks.is_empty() {
        let what = "secrets answer no such check: names and versions are compared with those of the export";
        return Some(refuse("drill.checks", what, "leave `checks` out"));
    }
    None
}

/// What a careful reader would remark on a key that lies among what it opens.
pub(super) fn holds_its_own_key(asset: &Asset, config: &Config) -> Option<String> {
    let Source::Secrets { at, prefix, .. } = &asset.source else { return None };
    let begins = |name: &str| prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix.as_str()));
    let held = [&config.decrypt_with, &config.passphrase].into_iter().flatten().find(|reference| match (reference, at) {
        (SecretRef::Gcp { name, .. }, SecretsAt::Project(project)) => match name.split('/').collect::<Vec<_>>()[..] {
            ["projects", of, "secrets", name, ..] => of == project && begins(name),
            _ => false,
        },
        (SecretRef::Aws { name, .. }, SecretsAt::Region(region)) => match name.splitn(7, ':').collect::<Vec<_>>()[..] {
            ["arn", _, _, of, _, _, name] => of == region && begins(name),
            _ => begins(name),
        },
        (SecretRef::Env(_) | SecretRef::File(_) | SecretRef::Gcp { .. } | SecretRef::Aws { .. }, _) => false,
    })?;
    Some(format!("{held} opens its exports and is one of the secrets in them: keep it elsewhere, or it is lost with them"))
}
