//! One link of an asset's chain of evidence: an in-toto statement in a DSSE envelope, so that anybody's tools can read it.
//!
//! The statement names the drill's record by its SHA-256, the backup's stored bytes by theirs, what was shown of which control,
//! and the SHA-256 of the link before it. What is signed is the statement's very bytes, as DSSE prescribes. A link has one
//! spelling: bytes that say the same in another way are not ours.

use super::{Evidence, EvidenceKey, PublicKey};
use crate::{
    catalog::Key,
    clock::Timestamp,
    domain::{
        attest::{ControlShown, LinkSaid, LinkSeen, Signature},
        backup::Manifest,
        drill::Verdict,
        place::Place,
    },
    error::{Result, corrupt, failed},
    id::{AssetName, BackupId},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The most bytes that a link may have.
pub const LINK_LIMIT: u64 = 256 << 10;
/// What a DSSE envelope with an in-toto statement says of its payload.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// What an in-toto statement says that it is.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// What our statements are about. A change that an older reader would misread gets another.
pub const PREDICATE_TYPE: &str = "https://github.com/lastgood/lastgood/blob/main/docs/evidence.md#restore-drill-v1";

/// A DSSE envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// What the payload is.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// The statement's bytes, in base64.
    pub payload: String,
    /// Who signed it: one.
    pub signatures: Vec<EnvelopeSignature>,
}

/// A signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeSignature {
    /// The key's id.
    pub keyid: String,
    /// The signature, in base64.
    pub sig: String,
}

/// An in-toto statement about a drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// What this is.
    #[serde(rename = "_type")]
    pub kind: String,
    /// The drill's record, and the stored bytes of the backup that was restored.
    pub subject: Vec<Subject>,
    /// What the predicate is.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What is said of them.
    pub predicate: Attested,
}

/// Something that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Its key below the vault.
    pub name: String,
    /// Its digests: `sha256`.
    pub digest: BTreeMap<String, String>,
}

/// What a statement says of a drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attested {
    /// The asset.
    pub asset: AssetName,
    /// The drill.
    pub drill: BackupId,
    /// Its verdict.
    pub verdict: Verdict,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// The backup that was restored; none when there was nothing to choose.
    pub backup: Option<AttestedBackup>,
    /// What was shown of which controls.
    pub controls: Vec<ControlShown>,
    /// Where it stands in the asset's chain.
    pub chain: Position,
}

/// The backup that a statement speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestedBackup {
    /// Its id.
    pub id: BackupId,
    /// The place that it was read from.
    pub from: Place,
    /// The moment whose data it holds.
    pub data_time: Timestamp,
}

/// Where a link stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Its number, from 1.
    pub number: u64,
    /// The SHA-256 of the link before it, as stored; none for the first.
    pub previous: Option<String>,
}

/// A link as it is stored, and what the page and the report tell of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Its bytes.
    pub bytes: Bytes,
    /// Their SHA-256: the chain's head as long as this is the newest.
    pub sha256: String,
    /// The key that signed it.
    pub key: String,
    /// What it says.
    pub statement: Statement,
}

impl Statement {
    /// What is said of a drill whose record, as it is stored, has this digest.
    pub fn of(evidence: &Evidence, record_sha256: String, backup: Option<&Manifest>, controls: Vec<ControlShown>, chain: Position) -> Self {
        let subject = |name: String, sha256: String| Subject { name, digest: BTreeMap::from([("sha256".to_owned(), sha256)]) };
        let record = subject(Key::Drill(evidence.asset.clone(), evidence.drill).to_string(), record_sha256);
        let stored =
            backup.iter().flat_map(|backup| &backup.artifacts).map(|artifact| subject(artifact.key.clone(), artifact.sha256.clone()));
        Self {
            kind: STATEMENT_TYPE.to_owned(),
            subject: std::iter::once(record).chain(stored).collect(),
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate: Attested {
                asset: evidence.asset.clone(),
                drill: evidence.drill,
                verdict: evidence.verdict,
                started_at: evidence.started_at,
                finished_at: evidence.finished_at,
                backup: evidence.backup.as_ref().map(|backup| AttestedBackup {
                    id: backup.id,
                    from: backup.from.clone(),
                    data_time: backup.data_time,
                }),
                controls,
                chain,
            },
        }
    }

    /// Signs it.
    pub fn sign(self, key: &EvidenceKey) -> Result<Link> {
        let payload = serde_json::to_vec(&self).map_err(|error| failed("writing a statement").because(error))?;
        let signature = EnvelopeSignature { keyid: key.id().to_owned(), sig: BASE64_STANDARD.encode(key.sign(&pae(&payload))) };
        let envelope =
            Envelope { payload_type: PAYLOAD_TYPE.to_owned(), payload: BASE64_STANDARD.encode(&payload), signatures: vec![signature] };
        let bytes = spelled(&envelope)?;
        Ok(Link { sha256: hex::encode(Sha256::digest(&bytes)), bytes, key: key.id().to_owned(), statement: self })
    }
}

/// What DSSE signs: the kind of the payload and the payload, each with its length.
pub fn pae(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn spelled(envelope: &Envelope) -> Result<Bytes> {
    let mut text = serde_json::to_vec_pretty(envelope).map_err(|error| failed("writing an envelope").because(error))?;
    text.push(b'\n');
    Ok(text.into())
}

/// A link that was read: its envelope and what it says.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The envelope.
    pub envelope: Envelope,
    /// The bytes that were signed, without what DSSE adds.
    pub payload: Vec<u8>,
    /// What they say.
    pub statement: Statement,
}

/// Reads a link, or says why it is none. Whether its signature is good is another question.
pub fn open(bytes: &[u8]) -> Result<Opened> {
    if bytes.len() as u64 > LINK_LIMIT {
        return Err(corrupt("it is larger than a link ever is"));
    }
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(|error| corrupt("it is no envelope").because(error))?;
    if spelled(&envelope)? != bytes {
        return Err(corrupt("it is not spelled as it was written: it was damaged or changed"));
    }
    if envelope.payload_type != PAYLOAD_TYPE || envelope.signatures.len() != 1 {
        return Err(corrupt("it is no envelope of one signed in-toto statement"));
    }
    let payload = BASE64_STANDARD.decode(&envelope.payload).map_err(|error| corrupt("its payload is not base64").because(error))?;
    let statement: Statement = serde_json::from_slice(&payload).map_err(|error| corrupt("it holds no statement of ours").because(error))?;
    if statement.kind != STATEMENT_TYPE || statement.predicate_type != PREDICATE_TYPE {
        return Err(corrupt("its statement is of another kind or version"));
    }
    Ok(Opened { envelope, payload, statement })
}

impl Opened {
    /// What became of its signature.
    pub fn signature(&self, keys: &[PublicKey]) -> Signature {
        let Some(EnvelopeSignature { keyid, sig }) = self.envelope.signatures.first() else {
            return Signature::Wrong("it bears no signature".to_owned());
        };
        let Ok(sig) = BASE64_STANDARD.decode(sig) else { return Signature::Wrong("its signature is not base64".to_owned()) };
        let signed = pae(&self.payload);
        let named = keys.iter().find(|key| key.id() == keyid);
        match (named, keys.iter().find(|key| key.fits(&signed, &sig))) {
            (Some(named), Some(fits)) if named.id() == fits.id() => match fits.refuses(self.statement.predicate.finished_at) {
                None => Signature::Good(keyid.clone()),
                Some(why) => Signature::Wrong(why),
            },
            (None | Some(_), Some(_)) => Signature::Wrong("it names another key than the one that signed it".to_owned()),
            (Some(_), None) => {
                Signature::Wrong("its signature does not fit what it says: it was changed, or signed by somebody else".to_owned())
            }
            (None, None) => Signature::UnknownKey(keyid.clone()),
        }
    }

    fn said(&self) -> Result<LinkSaid, String> {
        let Attested { asset, drill, finished_at, chain, .. } = &self.statement.predicate;
        let record = Key::Drill(asset.clone(), *drill).to_string();
        let named = self.statement.subject.iter().find(|subject| subject.name == record).and_then(|subject| subject.digest.get("sha256"));
        Ok(LinkSaid {
            number: chain.number,
            previous: chain.previous.clone(),
            asset: asset.clone(),
            drill: *drill,
            record_sha256: named.cloned().ok_or_else(|| format!("it does not name the record of drill {drill}"))?,
            finished_at: *finished_at,
        })
    }
}

/// Looks at the bytes that are stored as a link.
pub fn look(number: u64, bytes: &[u8], keys: &[PublicKey]) -> LinkSeen {
    let sha256 = hex::encode(Sha256::digest(bytes));
    match open(bytes) {
        Ok(opened) => LinkSeen { number, sha256, said: opened.said(), signature: opened.signature(keys) },
        Err(error) => {
            let why = error.full();
            LinkSeen { number, sha256, said: Err(why.clone()), signature: Signature::Wrong(why) }
        }
    }
}
