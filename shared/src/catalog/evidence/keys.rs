//! The keys of evidence: Ed25519, as PEM files that `openssl` reads and writes. A key's id is the SHA-256 of its public half
//! (`openssl pkey -pubin -outform DER | sha256sum`), so that anybody can tell which file belongs to a signature.

use crate::{
    clock::Timestamp,
    config::PublicKeyFile,
    error::{During, Error, Result, failed, invalid},
    ports::Secret,
};
use ed25519_dalek::{
    Signature, Signer, SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes, spki::der::pem::LineEnding},
};
use sha2::{Digest, Sha256};
use std::path::Path;
use zeroize::Zeroizing;

/// The most bytes that a key file may have.
const LIMIT: u64 = 16 << 10;

/// The private key that signs evidence. It has no way into a log, a record or an error.
pub struct EvidenceKey {
    key: SigningKey,
    id: String,
}

impl std::fmt::Debug for EvidenceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EvidenceKey({})", self.id)
    }
}

impl EvidenceKey {
    /// Reads a private key: PKCS#8 in PEM.
    pub fn load(secret: &Secret) -> Result<Self> {
        // What the parser says may repeat what it read.
        let key = SigningKey::from_pkcs8_pem(secret.expose().trim()).map_err(|_| {
            invalid("this is no Ed25519 private key in PEM (PKCS#8)").hint("`lastgood evidence keygen --out FILE` makes one")
        })?;
        Self::of(key)
    }

    /// Makes a new key.
    pub fn generate() -> Result<Self> {
        Self::of(SigningKey::generate(&mut rand_core::OsRng))
    }

    fn of(key: SigningKey) -> Result<Self> {
        let id = id(&key.verifying_key())?;
        Ok(Self { key, id })
    }

    /// The id of its public half.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Signs some bytes.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).to_bytes()
    }

    /// Its private half as PEM. The public half is left out of it: some readers refuse a file that holds both.
    pub fn private_pem(&self) -> Result<Zeroizing<String>> {
        let pair = KeypairBytes { secret_key: self.key.to_bytes(), public_key: None };
        pair.to_pkcs8_pem(LineEnding::LF).map_err(|_| failed("the private key cannot be written as PEM"))
    }

    /// Its public half as PEM.
    pub fn public_pem(&self) -> Result<String> {
        let key = self.key.verifying_key();
        key.to_public_key_pem(LineEnding::LF).map_err(|error| failed("the public key cannot be written as PEM").because(error))
    }
}

/// A public key, and when what it signs is believed.
#[derive(Debug, Clone)]
pub struct PublicKey {
    key: VerifyingKey,
    id: String,
    pem: String,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl PublicKey {
    /// Reads the public keys that a config names.
    pub fn load_all(files: &[PublicKeyFile]) -> Result<Vec<Self>> {
        files.iter().map(|named| Ok(Self { from: named.from, until: named.until, ..Self::load(&named.file)? })).collect()
    }

    /// Reads a public key from a PEM file; what it signed is believed whenever it was.
    pub fn load(file: &Path) -> Result<Self> {
        let doing = || format!("reading the public key {}", file.display());
        let seen = std::fs::metadata(file).map_err(Error::from).during(doing())?;
        if !seen.is_file() || seen.len() > LIMIT {
            return Err(invalid(format!("{}: it is no key file", doing())));
        }
        Self::parse(&std::fs::read_to_string(file).map_err(Error::from).during(doing())?).during(doing())
    }

    /// Reads a public key from PEM.
    pub fn parse(pem: &str) -> Result<Self> {
        let key = VerifyingKey::from_public_key_pem(pem.trim()).map_err(|_| {
            invalid("this is no Ed25519 public key in PEM")
                .hint("name the .pub file that `lastgood evidence keygen` wrote beside the private key")
        })?;
        Ok(Self { id: id(&key)?, key, pem: pem.trim().to_owned() + "\n", from: None, until: None })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Whether this signature over these bytes was made with it.
    pub fn fits(&self, bytes: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.key.verify_strict(bytes, &signature).is_ok())
    }

    /// Why what it signed at this moment is not believed; none where it is.
    pub fn refuses(&self, at: Timestamp) -> Option<String> {
        match (self.from, self.until) {
            (Some(from), _) if at < from => Some(format!("signed for {at} by key {}, which is valid from {from} on", self.id)),
            (_, Some(until)) if at >= until => Some(format!("signed for {at} by key {}, which was valid until {until}", self.id)),
            (_, _) => None,
        }
    }
}

fn id(key: &VerifyingKey) -> Result<String> {
    let der = key.to_public_key_der().map_err(|error| failed("the public key cannot be written").because(error))?;
    Ok(hex::encode(Sha256::digest(der.as_bytes())))
}
