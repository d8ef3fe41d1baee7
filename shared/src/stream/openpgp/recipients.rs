//! Public keys that exports are encrypted to. A key that would not open the export later is refused before it is made.

use super::{key_id, newest};
use crate::{
    clock::Timestamp,
    error::{During, Result, failed, invalid},
};
use pgp::{
    composed::{MessageBuilder, PublicOrSecret, SignedPublicKey, SignedPublicSubKey},
    crypto::{public_key::PublicKeyAlgorithm, sym::SymmetricKeyAlgorithm},
    packet::{PublicKey, PublicSubkey, Signature, SignatureType},
    types::{KeyDetails, Tag},
};
use rand_core::OsRng;
use std::{
    io::{Read, Write},
    path::PathBuf,
};

/// OpenPGP public keys that exports are encrypted to.
#[derive(Debug, Default)]
pub struct Recipients(Vec<Recipient>);

#[derive(Debug)]
enum Recipient {
    Primary(PublicKey),
    Subkey(PublicSubkey),
}

impl Recipients {
    /// Reads the keys in some files, armored or binary. Every one of them must be fit to encrypt to at `now`.
    pub fn load(paths: &[PathBuf], now: Timestamp) -> Result<Self> {
        let mut all = Vec::new();
        for path in paths {
            let doing = || format!("reading the public key {}", path.display());
            let text = std::fs::read(path).during(doing())?;
            all.extend(Self::parse(&text, now).during(doing())?.0);
        }
        Ok(Self(all))
    }

    /// Reads the keys in a text or a binary.
    pub fn parse(text: &[u8], now: Timestamp) -> Result<Self> {
        let unreadable = || invalid("it holds no OpenPGP public key").hint("export one with `gpg --armor --export KEY`");
        let (keys, _) = PublicOrSecret::from_reader_many_buf(text).map_err(|error| unreadable().because(error))?;
        let mut recipients = Vec::new();
        for key in keys {
            match key.map_err(|error| unreadable().because(error))? {
                PublicOrSecret::Public(key) => recipients.push(choose(&key, now)?),
                PublicOrSecret::Secret(key) => {
                    return Err(invalid(format!("{} is a secret key", key_id(&key.primary_key)))
                        .hint("name a file with the public key: `gpg --armor --export KEY`; keep the secret one away from here"));
                }
            }
        }
        if recipients.is_empty() { Err(unreadable()) } else { Ok(Self(recipients)) }
    }

    /// Whether there are none, so that nothing is encrypted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids of the (sub)keys that are encrypted to.
    pub fn key_ids(&self) -> Vec<String> {
        let id = |recipient: &Recipient| match recipient {
            Recipient::Primary(key) => key_id(key),
            Recipient::Subkey(key) => key_id(key),
        };
        self.0.iter().map(id).collect()
    }

    /// Encrypts everything that `source` has into `sink`. A fresh session key comes from the system's randomness.
    pub(in crate::stream) fn encrypt(&self, source: impl Read, sink: &mut impl Write) -> Result<()> {
        let mut message = MessageBuilder::from_reader("", source).seipd_v1(OsRng, SymmetricKeyAlgorithm::AES256);
        for recipient in &self.0 {
            match recipient {
                Recipient::Primary(key) => message.encrypt_to_key(OsRng, key),
                Recipient::Subkey(key) => message.encrypt_to_key(OsRng, key),
            }
            .map_err(|error| failed("encrypting to a recipient").because(error))?;
        }
        message.to_writer(OsRng, sink).map_err(|error| failed("encrypting").because(error))
    }
}

/// Chooses the part of a key that is encrypted to: the newest fit subkey, else the primary key if it is fit.
fn choose(key: &SignedPublicKey, now: Timestamp) -> Result<Recipient> {
    let id = key_id(key);
    let primary = &key.primary_key;
    let revoked = |signature: &Signature| signature.typ() == Some(SignatureType::KeyRevocation) && signature.verify_key(primary).is_ok();
    if key.details.revocation_signatures.iter().any(revoked) {
        return Err(invalid(format!("the key {id} is revoked")).hint("name a key that its owner still stands behind"));
    }
    let Some(own) = newest(self_signatures(key)) else {
        return Err(invalid(format!("the key {id} carries no valid signature of its own")).hint("export it again"));
    };
    refuse_expired(&id, primary, own, now)?;

    let mut expired = None;
    let mut fit: Vec<(&SignedPublicSubKey, u32)> = Vec::new();
    for subkey in &key.public_subkeys {
        match fitness(subkey, primary, now) {
            Fitness::Fit => fit.push((subkey, subkey.key.created_at().as_secs())),
            Fitness::Expired(error) => expired = Some(error),
            Fitness::Unfit => {}
        }
    }
    if let Some((subkey, _)) = fit.into_iter().max_by_key(|(_, created)| *created) {
        return Ok(Recipient::Subkey(subkey.key.clone()));
    }
    if encrypts(own, primary.algorithm()) {
        return Ok(Recipient::Primary(primary.clone()));
    }
    Err(expired.unwrap_or_else(|| {
        invalid(format!("nothing in the key {id} is meant to encrypt to")).hint("add an encryption subkey: `gpg --quick-add-key`")
    }))
}

/// The valid signatures by which a key describes itself.
fn self_signatures(key: &SignedPublicKey) -> impl Iterator<Item = &Signature> {
    let primary = &key.primary_key;
    let users = key.details.users.iter().flat_map(move |user| {
        user.signatures
            .iter()
            .filter(move |signature| signature.is_certification() && signature.verify_certification(primary, Tag::UserId, &user.id).is_ok())
    });
    users.chain(key.details.direct_signatures.iter().filter(move |signature| signature.verify_key(primary).is_ok()))
}

enum Fitness {
    Fit,
    Expired(crate::error::Error),
    Unfit,
}

fn fitness(subkey: &SignedPublicSubKey, primary: &PublicKey, now: Timestamp) -> Fitness {
    let valid = |signature: &&Signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok();
    let of = |typ| subkey.signatures.iter().filter(move |signature| signature.typ() == Some(typ));
    if of(SignatureType::SubkeyRevocation).next().is_some() {
        return Fitness::Unfit;
    }
    let Some(binding) = newest(of(SignatureType::SubkeyBinding).filter(valid)) else { return Fitness::Unfit };
    if !encrypts(binding, subkey.key.algorithm()) {
        return Fitness::Unfit;
    }
    match refuse_expired(&key_id(&subkey.key), &subkey.key, binding, now) {
        Ok(()) => Fitness::Fit,
        Err(error) => Fitness::Expired(error),
    }
}

fn encrypts(signature: &Signature, algorithm: PublicKeyAlgorithm) -> bool {
    let flags = signature.key_flags();
    algorithm.can_encrypt() && (flags.encrypt_storage() || flags.encrypt_comms())
}

fn refuse_expired(id: &str, key: &impl KeyDetails, signature: &Signature, now: Timestamp) -> Result<()> {
    let Some(life) = signature.key_expiration_time().filter(|life| life.as_secs() > 0) else { return Ok(()) };
    let end = i64::from(key.created_at().as_secs()) + i64::from(life.as_secs());
    if end > now.as_second() {
        return Ok(());
    }
    let day = Timestamp::from_second(end).map(|end| end.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
    Err(invalid(format!("the key {id} expired on {day}"))
        .hint("extend it with `gpg --quick-set-expire` and export it again, or name a newer key"))
}
