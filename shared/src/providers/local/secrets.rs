//! Secrets from where an operator or a platform puts them: environment variables and files.

use super::bucket::blocking;
use crate::{
    config::SecretRef,
    error::{Result, denied, invalid, not_found, unsupported},
    ports::{Secret, Secrets},
};
use async_trait::async_trait;
use std::{fs::File, io::Read, os::unix::fs::MetadataExt, path::PathBuf};
use zeroize::Zeroizing;

/// A secret is at most this long: the cap of both clouds' secret stores.
const LONGEST: u64 = 64 << 10;

/// Resolves `env:` and `file:`; says which build knows the others.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalSecrets;

#[async_trait]
impl Secrets for LocalSecrets {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret> {
        match reference {
            SecretRef::Env(name) => from_environment(name),
            SecretRef::File(path) => {
                let path = path.clone();
                blocking(move || from_file(&path)).await
            }
            SecretRef::Aws { .. } => Err(not_built_in(reference, "aws")),
            SecretRef::Gcp { .. } => Err(not_built_in(reference, "gcp")),
        }
    }
}

fn not_built_in(reference: &SecretRef, feature: &str) -> crate::error::Error {
    unsupported(format!("this build cannot resolve {reference}"))
        .hint(format!("use a build with the feature `{feature}`, or hand the secret in as env: or file:"))
}

#[expect(clippy::disallowed_methods, reason = "an env: reference is a wish of the config to read exactly this variable")]
fn from_environment(name: &str) -> Result<Secret> {
    let absent = |why: &str| not_found(format!("the environment variable {name} is {why}")).hint(format!("set {name} where this runs"));
    let value = std::env::var_os(name).ok_or_else(|| absent("not set"))?;
    let value = value.into_string().map_err(|_| invalid(format!("the environment variable {name} is not UTF-8")))?;
    if value.is_empty() { Err(absent("empty")) } else { Ok(Secret::new(value)) }
}

fn from_file(path: &PathBuf) -> Result<Secret> {
    let shown = path.display();
    let mut file = File::open(path).map_err(|error| {
        crate::error::Error::from(error)
            .during(format_args!("reading the secret file {shown}"))
            .hint("put the secret there, readable for the account this runs as")
    })?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(invalid(format!("the secret file {shown} is no file")));
    }
    // Readable by others is how platforms mount secrets (0444); writable by others means that others choose the secret.
    if metadata.mode() & 0o022 != 0 {
        return Err(denied(format!("the secret file {shown} can be changed by others (mode {:o})", metadata.mode() & 0o7777))
            .hint(format!("chmod 600 {shown}")));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len().min(LONGEST)).unwrap_or_default() + 1));
    Read::by_ref(&mut file).take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(invalid(format!("the secret file {shown} has more than 64 KiB")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| invalid(format!("the secret file {shown} is not UTF-8")))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(not_found(format!("the secret file {shown} is empty")));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use std::{fs::Permissions, io::Write, os::unix::fs::PermissionsExt};

    async fn resolve(text: &str) -> Result<Secret> {
        LocalSecrets.resolve(&text.parse().unwrap()).await
    }

    async fn file_with(content: &[u8], mode: u32) -> Result<Secret> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file.as_file().set_permissions(Permissions::from_mode(mode)).unwrap();
        resolve(&format!("file:{}", file.path().display())).await
    }

    #[tokio::test]
    async fn a_file_loses_one_final_line_break_and_nothing_else() {
        assert_eq!(file_with(b" top secret \n\n", 0o600).await.unwrap().expose(), " top secret \n");
        assert_eq!(file_with(b"top secret\r\n", 0o444).await.unwrap().expose(), "top secret");
        assert_eq!(file_with(b"top secret", 0o400).await.unwrap().expose(), "top secret");
    }

    #[tokio::test]
    async fn a_file_that_others_can_change_is_refused() {
        for mode in [0o620, 0o602, 0o666] {
            assert_eq!(file_with(b"x", mode).await.unwrap_err().kind(), Kind::Denied, "{mode:o}");
        }
    }

    #[tokio::test]
    async fn what_is_missing_empty_or_too_long_is_named() {
        assert_eq!(resolve("file:/nowhere/at/all").await.unwrap_err().kind(), Kind::NotFound);
        assert_eq!(file_with(b"\n", 0o600).await.unwrap_err().kind(), Kind::NotFound);
        assert_eq!(file_with(&vec![b'x'; (64 << 10) + 1], 0o600).await.unwrap_err().kind(), Kind::Invalid);
        assert_eq!(file_with(b"\xff", 0o600).await.unwrap_err().kind(), Kind::Invalid);
        assert_eq!(resolve("file:/proc").await.unwrap_err().kind(), Kind::Invalid);
        let error = resolve("env:LASTGOOD_NOBODY_SETS_THIS").await.unwrap_err();
        assert!(error.full().contains("LASTGOOD_NOBODY_SETS_THIS"));
    }

    #[tokio::test]
    async fn a_variable_is_read_by_its_name() {
        assert!(!resolve("env:PATH").await.unwrap().expose().is_empty());
    }

    #[tokio::test]
    async fn a_cloud_secret_says_which_build_knows_it() {
        for text in ["secret:aws:ops/slack#url", "secret:gcp:x"] {
            let error = resolve(text).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Unsupported);
            assert!(error.advice().unwrap().contains("feature"));
        }
    }
}
