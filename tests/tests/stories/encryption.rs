//! Encryption: what we encrypt, `gpg` opens; what cannot be opened later is refused before it is stored.

use lastgood_core::{
    clock::{Clock, SystemClock, Timestamp},
    domain::backup::{Artifact, Compression},
    env::Quiet,
    error::{Error, Kind, Result},
    ports::Secret,
    stream::{self, Encoding, Keys, Recipients},
};
use lastgood_tests::vaults::{Vaults, lifelike};
use std::{
    path::PathBuf,
    process::{Command, Output},
    sync::Arc,
};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

/// What a key is made of.
#[derive(Clone, Copy)]
enum Kinds {
    Rsa,
    Curves,
}

/// A `gpg` with a home of its own.
struct Gpg(TempDir);

impl Gpg {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp").unwrap())
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new("gpg").arg("--homedir").arg(self.0.path()).args(["--batch", "--yes", "--quiet"]).args(arguments).output().unwrap()
    }

    fn out(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.run(arguments);
        assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Makes a key with an encryption subkey and returns the public half.
    fn key(&self, name: &str, kind: Kinds, passphrase: &str, expires: &str) -> Vec<u8> {
        let kinds = match kind {
            Kinds::Rsa => "Key-Type: rsa\nKey-Length: 2048\nSubkey-Type: rsa\nSubkey-Length: 2048",
            Kinds::Curves => "Key-Type: eddsa\nKey-Curve: ed25519\nSubkey-Type: ecdh\nSubkey-Curve: cv25519",
        };
        let protection = if passphrase.is_empty() { String::new() } else { format!("Passphrase: {passphrase}\n") };
        let open = if passphrase.is_empty() { "%no-protection\n" } else { "" };
        let file = self.0.path().join("parameters");
        std::fs::write(&file, format!("{open}{kinds}\n{protection}Name-Real: {name}\nExpire-Date: {expires}\n%commit\n")).unwrap();
        self.out(&["--pinentry-mode", "loopback", "--generate-key", file.to_str().unwrap()]);
        self.out(&["--armor", "--export", name])
    }

    fn secret(&self, name: &str, passphrase: &str) -> Secret {
        let text = self.out(&["--pinentry-mode", "loopback", "--passphrase", passphrase, "--armor", "--export-secret-keys", name]);
        Secret::new(String::from_utf8(text).unwrap())
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.0.path()).args(["--kill", "gpg-agent"]).output();
    }
}

fn now() -> Timestamp {
    SystemClock.now()
}

fn encoding(compression: Compression, recipients: Recipients) -> Encoding {
    Encoding { compression, level: None, recipients: Arc::new(recipients), at_once: 1 }
}

async fn open(vaults: &Vaults, artifact: &Artifact, keys: &Keys) -> Result<Vec<u8>> {
    let mut stream = stream::open(vaults.env.vault.bucket().clone(), artifact, keys, Arc::new(Quiet)).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.map_err(Error::from)?;
    Ok(bytes)
}

#[tokio::test]
async fn what_we_encrypt_opens_with_gpg_and_zstd_alone_and_with_us() {
    let gpg = Gpg::new();
    for (name, algorithm) in [("old-school", Kinds::Rsa), ("modern", Kinds::Curves)] {
        let public = gpg.key(name, algorithm, "", "0");
        let recipients = Recipients::parse(&public, now()).unwrap();
        let vaults = Vaults::default();
        let backup = vaults.encoded("2026-11-20T02:00:00Z", 9_000_000, &encoding(Compression::Zstd, recipients)).await;
        let main = backup.main().unwrap();
        assert!(main.key.ends_with(".dump.zst.gpg") && main.recipients.len() == 1);
        let path = vaults.here().join(&main.key);
        let stored = std::fs::read(&path).unwrap();
        assert!(zstd::decode_all(stored.as_slice()).is_err(), "it is not encrypted");

        let compressed = gpg.out(&["--decrypt", path.to_str().unwrap()]);
        let packed = vaults.here().join("packed.zst");
        std::fs::write(&packed, &compressed).unwrap();
        let opened = Command::new("zstd").args(["-d", "-c"]).arg(&packed).output().unwrap();
        assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
        assert!(opened.stdout == lifelike(9_000_000), "{name}");

        let keys = Keys::load(&gpg.secret(name, ""), None).unwrap();
        assert!(open(&vaults, main, &keys).await.unwrap() == lifelike(9_000_000), "{name}");
    }
}

#[tokio::test]
async fn every_recipient_opens_it_and_nobody_else_does() {
    let gpg = Gpg::new();
    let files: Vec<PathBuf> = ["first", "second"]
        .iter()
        .map(|name| {
            let path = gpg.0.path().join(format!("{name}.asc"));
            std::fs::write(&path, gpg.key(name, Kinds::Curves, "", "0")).unwrap();
            path
        })
        .collect();
    gpg.key("stranger", Kinds::Curves, "", "0");
    let recipients = Recipients::load(&files, now()).unwrap();
    let vaults = Vaults::default();
    let backup = vaults.encoded("2026-11-20T02:00:00Z", 100_000, &encoding(Compression::None, recipients)).await;
    let main = backup.main().unwrap();
    for name in ["first", "second"] {
        let keys = Keys::load(&gpg.secret(name, ""), None).unwrap();
        assert_eq!(open(&vaults, main, &keys).await.unwrap(), lifelike(100_000));
    }
    let stranger = Keys::load(&gpg.secret("stranger", ""), None).unwrap();
    for keys in [stranger, Keys::default()] {
        let error = open(&vaults, main, &keys).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Denied);
        assert!(error.full().contains(&main.recipients[0]) && error.advice().is_some(), "{error:?}");
    }
}

#[tokio::test]
async fn a_passphrase_is_checked_when_the_key_is_read_and_never_told() {
    let gpg = Gpg::new();
    let public = gpg.key("careful", Kinds::Curves, "correct horse", "0");
    let secret = gpg.secret("careful", "correct horse");
    for wrong in [None, Some(Secret::new("battery staple"))] {
        let error = Keys::load(&secret, wrong.as_ref()).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(!error.full().contains("battery") && error.advice().unwrap().contains("encryption.passphrase"), "{error:?}");
    }
    let keys = Keys::load(&secret, Some(&Secret::new("correct horse"))).unwrap();
    let vaults = Vaults::default();
    let recipients = Recipients::parse(&public, now()).unwrap();
    let backup = vaults.encoded("2026-11-20T02:00:00Z", 100_000, &encoding(Compression::Gzip, recipients)).await;
    assert_eq!(open(&vaults, backup.main().unwrap(), &keys).await.unwrap(), lifelike(100_000));
}

#[test]
fn keys_that_would_not_open_it_later_are_refused_before_anything_is_stored() {
    let gpg = Gpg::new();
    let public = gpg.key("fleeting", Kinds::Curves, "", "1d");
    assert!(!Recipients::parse(&public, now()).unwrap().is_empty());
    let later = now() + jiff::SignedDuration::from_hours(25);
    let error = Recipients::parse(&public, later).unwrap_err();
    assert!(error.full().contains("expired on") && error.advice().unwrap().contains("quick-set-expire"), "{error:?}");

    let secret = gpg.secret("fleeting", "");
    let error = Recipients::parse(secret.expose().as_bytes(), now()).unwrap_err();
    assert!(error.full().contains("secret key"), "{error:?}");

    let file = gpg.0.path().join("sign-only");
    std::fs::write(&file, "%no-protection\nKey-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign\nName-Real: signer\n%commit\n").unwrap();
    gpg.out(&["--generate-key", file.to_str().unwrap()]);
    let error = Recipients::parse(&gpg.out(&["--armor", "--export", "signer"]), now()).unwrap_err();
    assert!(error.full().contains("meant to encrypt"), "{error:?}");

    gpg.key("regretted", Kinds::Curves, "", "0");
    let listed = String::from_utf8(gpg.out(&["--with-colons", "--list-keys", "regretted"])).unwrap();
    let print = listed.lines().find(|line| line.starts_with("fpr")).and_then(|line| line.split(':').nth(9)).unwrap();
    let revocation = gpg.0.path().join(format!("openpgp-revocs.d/{print}.rev"));
    let text = std::fs::read_to_string(&revocation).unwrap().replace(":-----BEGIN", "-----BEGIN");
    std::fs::write(&revocation, text).unwrap();
    gpg.out(&["--import", revocation.to_str().unwrap()]);
    let error = Recipients::parse(&gpg.out(&["--armor", "--export", "regretted"]), now()).unwrap_err();
    assert!(error.full().contains("revoked"), "{error:?}");
}

#[tokio::test]
async fn r12_encrypted_bytes_that_differ_are_refused_and_so_is_what_follows_the_message() {
    let gpg = Gpg::new();
    let recipients = Recipients::parse(&gpg.key("owner", Kinds::Curves, "", "0"), now()).unwrap();
    let keys = Keys::load(&gpg.secret("owner", ""), None).unwrap();
    let vaults = Vaults::default();
    let backup = vaults.encoded("2026-11-20T02:00:00Z", 100_000, &encoding(Compression::None, recipients)).await;
    let main = backup.main().unwrap();
    let path = vaults.here().join(&main.key);
    let stored = std::fs::read(&path).unwrap();
    for at in (0..stored.len()).step_by(9_973) {
        let mut damaged = stored.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert_eq!(open(&vaults, main, &keys).await.unwrap_err().kind(), Kind::Corrupt, "offset {at}");
    }
    // Even a record that vouches for the wrong bytes does not get them past the message's own integrity code.
    for vouched in [[stored.as_slice(), b"more"].concat(), stored[..stored.len() - 1].to_vec(), {
        let mut damaged = stored.clone();
        damaged[50_000] ^= 1;
        damaged
    }] {
        std::fs::write(&path, &vouched).unwrap();
        let mut artifact = main.clone();
        artifact.size = vouched.len() as u64;
        artifact.chunks = None;
        artifact.sha256 = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&vouched));
        assert_eq!(open(&vaults, &artifact, &keys).await.unwrap_err().kind(), Kind::Corrupt);
    }
}

#[tokio::test]
async fn gunzip_and_zstd_open_what_is_not_encrypted() {
    for (compression, program) in [(Compression::Gzip, "gunzip"), (Compression::Zstd, "zstd")] {
        let vaults = Vaults::default();
        let backup = vaults.encoded("2026-11-20T02:00:00Z", 9_000_000, &encoding(compression, Recipients::default())).await;
        let opened = Command::new(program).args(["-d", "-c"]).arg(vaults.here().join(&backup.main().unwrap().key)).output().unwrap();
        assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
        assert!(opened.stdout == lifelike(9_000_000));
    }
}
