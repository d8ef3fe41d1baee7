//! An asset's chain of evidence in its vault: `evidence/0000000001.json` and on, each created under a free number.
//!
//! Two drills that end at once race for a number; the loser links itself behind the winner. Nothing of a chain is ever
//! overwritten or removed.

use super::{Evidence, EvidenceKey, Link, PublicKey, Statement, link};
use crate::{
    catalog::{Key, RECORD_LIMIT, Vault, decode, encode},
    config::EvidencePolicy,
    domain::{
        attest::{Chain, Facts, LinkSeen, RecordSeen, Signature, controls, judge},
        backup::Manifest,
    },
    error::{Kind, Result, retry},
    id::{AssetName, BackupId},
    ports::If,
};
use sha2::{Digest, Sha256};

/// How often a number that others take is tried for.
const TRIES: usize = 16;

/// A link where it stands.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its number.
    pub number: u64,
    /// Its bytes; none where there is more than a link may have.
    pub bytes: Option<bytes::Bytes>,
}

impl Evidence {
    /// What decides about controls; `vault` is where backups are at home.
    fn facts(&self, vault: &Vault) -> Facts {
        Facts {
            verdict: self.verdict,
            rto_met: self.objectives.rto_met,
            rpo_met: self.objectives.rpo_met,
            from_copy: self.backup.as_ref().map(|backup| backup.from != *vault.place()),
        }
    }

    /// Signs what will be kept and links it to the chain. Evidence that an earlier attempt linked already, just as it is, stands.
    pub async fn link(&self, vault: &Vault, key: &EvidenceKey, policy: &EvidencePolicy, backup: Option<&Manifest>) -> Result<Link> {
        let record = hex::encode(Sha256::digest(encode(self)?));
        let shown = controls(&self.facts(vault), &policy.controls);
        for _ in 0..TRIES {
            let newest = newest(vault, &self.asset).await?;
            let (number, previous) = match &newest {
                Some((number, sha256)) => (number.saturating_add(1), Some(sha256.clone())),
                None => (1, None),
            };
            let statement = Statement::of(self, record.clone(), backup, shown.clone(), link::Position { number, previous });
            let signed = statement.sign(key)?;
            match vault.bucket().put(&Key::EvidenceLink(self.asset.clone(), number).to_string(), signed.bytes.clone(), If::Absent).await {
                Ok(_) => return Ok(signed),
                Err(error) if error.kind() == Kind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(retry("the chain of evidence grows without pause"))
    }
}

/// The number and digest of the newest link, whatever it holds: a chain goes on behind a damaged one, and the damage shows.
async fn newest(vault: &Vault, asset: &AssetName) -> Result<Option<(u64, String)>> {
    let Some(number) = numbers(vault, asset).await?.into_iter().max() else { return Ok(None) };
    let key = Key::EvidenceLink(asset.clone(), number).to_string();
    // A strange one that is larger than any link is still what stands there.
    let found = vault.bucket().get(&key, RECORD_LIMIT).await?;
    let (bytes, _) = found.ok_or_else(|| retry(format!("{key} is listed and not there")))?;
    Ok(Some((number, hex::encode(Sha256::digest(&bytes)))))
}

async fn numbers(vault: &Vault, asset: &AssetName) -> Result<Vec<u64>> {
    let folder = Key::evidence(asset);
    let listed = vault.bucket().list_all(&folder).await?;
    Ok(listed.iter().filter_map(|meta| number(meta.key.strip_prefix(&folder)?)).collect())
}

/// The number of a link by its name: ten digits, so that names sort as numbers do.
fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    (digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Returns every link of an asset, oldest first.
pub async fn links(vault: &Vault, asset: &AssetName) -> Result<Vec<Stored>> {
    let mut links = Vec::new();
    for number in numbers(vault, asset).await? {
        let bytes = match vault.bucket().get(&Key::EvidenceLink(asset.clone(), number).to_string(), link::LINK_LIMIT).await {
            Ok(found) => found.map(|(bytes, _)| bytes),
            Err(error) if error.kind() == Kind::Invalid => None,
            Err(error) => return Err(error),
        };
        links.push(Stored { number, bytes });
    }
    links.sort_by_key(|stored| stored.number);
    Ok(links)
}

/// Reads an asset's evidence and its chain, and judges them. Nothing but the vault and the keys is asked.
pub async fn verify(vault: &Vault, asset: &AssetName, keys: &[PublicKey], remembered: Option<&str>) -> Result<Chain> {
    let seen = |stored: Stored| {
        if let Some(bytes) = &stored.bytes {
            return link::look(stored.number, bytes, keys);
        }
        let why = "it is larger than a link ever is".to_owned();
        LinkSeen { number: stored.number, sha256: String::new(), said: Err(why.clone()), signature: Signature::Wrong(why) }
    };
    let links: Vec<_> = links(vault, asset).await?.into_iter().map(seen).collect();
    Ok(judge(asset, &links, &records(vault, asset).await?, remembered))
}

/// Every drill's record, by its bytes.
async fn records(vault: &Vault, asset: &AssetName) -> Result<Vec<RecordSeen>> {
    let folder = Key::drills(asset);
    let mut records = Vec::new();
    for meta in vault.bucket().list_all(&folder).await? {
        let id = meta.key.strip_prefix(&folder).and_then(|name| name.strip_suffix(".json"));
        let Some(drill) = id.and_then(|id| id.parse::<BackupId>().ok()) else { continue };
        let found = match vault.bucket().get(&meta.key, RECORD_LIMIT).await {
            Ok(found) => found,
            Err(error) if error.kind() == Kind::Invalid => {
                records.push(RecordSeen { drill, sha256: String::new(), said: Err(error.full()) });
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some((bytes, _)) = found else { continue };
        let said = match decode::<Evidence>(&bytes) {
            Ok(evidence) if evidence.drill != drill || evidence.asset != *asset => {
                Err(format!("the record of drill {drill} is that of drill {} of {}", evidence.drill, evidence.asset))
            }
            Ok(evidence) => Ok((evidence.finished_at, evidence.unsigned)),
            Err(error) => Err(format!("the record of drill {drill} cannot be read: {}", error.full())),
        };
        records.push(RecordSeen { drill, sha256: hex::encode(Sha256::digest(&bytes)), said });
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn only_ten_digits_are_a_number() {
        assert_eq!(number("0000000007.json"), Some(7));
        for name in ["7.json", "0000000007", "+000000007.json", "00000000007.json", "000000000x.json", "0000000007.json.bak"] {
            assert_eq!(number(name), None, "{name}");
        }
    }
}
