//! Secret keys that open exports again: only drills and restores hold them.

use super::key_id;
use crate::{
    domain::backup::Artifact,
    error::{Error, Result, corrupt, denied, invalid},
    ports::Secret,
};
use pgp::{
    composed::{DecryptionOptions, Message, PublicOrSecret, SignedSecretKey, TheRing},
    types::{Password, Seipdv1ReadMode},
};
use std::{
    fmt,
    io::{BufRead, Read},
    sync::Arc,
};

/// OpenPGP secret keys that open what was encrypted.
#[derive(Default, Clone)]
pub struct Keys {
    keys: Arc<Vec<SignedSecretKey>>,
    passphrase: Option<Secret>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.ids().collect::<Vec<_>>().join(", "))
    }
}

impl Keys {
    /// Reads armored secret keys and makes sure that the passphrase opens them.
    pub fn load(text: &Secret, passphrase: Option<&Secret>) -> Result<Self> {
        let unreadable = || invalid("it holds no OpenPGP secret key").hint("export one with `gpg --armor --export-secret-keys KEY`");
        let (found, _) = PublicOrSecret::from_reader_many_buf(text.expose().as_bytes()).map_err(|error| unreadable().because(error))?;
        let mut keys = Vec::new();
        for key in found {
            match key.map_err(|error| unreadable().because(error))? {
                PublicOrSecret::Secret(key) => keys.push(key),
                PublicOrSecret::Public(key) => {
                    return Err(invalid(format!("{} is a public key", key_id(&key))).hint("decrypting takes the secret key"));
                }
            }
        }
        if keys.is_empty() {
            return Err(unreadable());
        }
        let keys = Self { keys: Arc::new(keys), passphrase: passphrase.cloned() };
        keys.unlock()?;
        Ok(keys)
    }

    fn password(&self) -> Password {
        self.passphrase.as_ref().map_or_else(Password::empty, |secret| secret.expose().into())
    }

    /// Makes sure that the passphrase opens every subkey (where there are none, the primary key).
    fn unlock(&self) -> Result<()> {
        let password = self.password();
        for key in self.keys.iter() {
            let opened = if key.secret_subkeys.is_empty() {
                key.primary_key.unlock(&password, |_, _| Ok(())).and_then(|done| done)
            } else {
                key.secret_subkeys.iter().try_for_each(|subkey| subkey.key.unlock(&password, |_, _| Ok(())).and_then(|done| done))
            };
            opened.map_err(|error| {
                let hint = match self.passphrase {
                    Some(_) => "check encryption.passphrase",
                    None => "name its passphrase in encryption.passphrase",
                };
                invalid(format!("the passphrase does not open the secret key {}", key_id(&key.primary_key))).because(error).hint(hint)
            })?;
        }
        Ok(())
    }

    fn ids(&self) -> impl Iterator<Item = String> {
        let subkeys = |key: &SignedSecretKey| key.secret_subkeys.iter().map(|subkey| key_id(&subkey.key)).collect::<Vec<_>>();
        self.keys.iter().flat_map(move |key| std::iter::once(key_id(&key.primary_key)).chain(subkeys(key)))
    }

    /// Whether one of these keys opens what is encrypted to these recipients.
    pub fn open(&self, recipients: &[String]) -> bool {
        self.ids().any(|id| recipients.iter().any(|recipient| recipient.eq_ignore_ascii_case(&id)))
    }

    /// Refuses an artifact that none of the keys opens, before anything is read.
    pub fn can_open(&self, artifact: &Artifact) -> Result<()> {
        if artifact.recipients.is_empty() || self.open(&artifact.recipients) {
            return Ok(());
        }
        let wanted = artifact.recipients.join(", ");
        Err(denied(format!("{} is encrypted to {wanted}, and none of those secret keys is here", artifact.key))
            .hint("name the secret key in encryption.decrypt_with"))
    }

    /// Opens what was encrypted to one of these keys. Bytes come before the modification detection code was compared:
    /// the caller compares digests of its own first.
    pub(in crate::stream) fn decrypt<'a>(
        &self,
        stored: impl BufRead + fmt::Debug + Send + 'a,
        artifact: &Artifact,
    ) -> Result<impl Read + 'a> {
        let unopened = |error| -> Error {
            corrupt(format!("{} does not decrypt", artifact.key)).because(error).hint("restore another backup or a copy")
        };
        let password = self.password();
        let ring = TheRing {
            secret_keys: self.keys.iter().collect(),
            key_passwords: vec![&password],
            decrypt_options: DecryptionOptions::new().set_seipdv1_read_mode(Seipdv1ReadMode::Streaming),
            ..TheRing::default()
        };
        let message = Message::from_bytes(stored).map_err(unopened)?;
        let (message, _) = message.decrypt_the_ring(ring, true).map_err(unopened)?;
        Ok(message)
    }
}
