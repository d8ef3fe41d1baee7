//! Where a vault or a bucket is: `s3://bucket/prefix`, `gs://…`, `az://account/container/…`, `file:///folder`. Where a
//! provider holds a snapshot: `aws://region`, or `aws://region/account` for another account; `gcp://project`, or
//! `gcp://project/region` for what lives in a region of it.

use crate::error::{Error, invalid};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The kind of store behind a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// A folder of a file system that honours `fsync` and `rename`.
    File,
    /// Amazon S3, or a store that speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gs,
    /// Azure Blob Storage.
    Az,
    /// A region of Amazon's, which holds snapshots and no objects.
    Aws,
    /// A project of Google's, or a region of it, which holds snapshots and no objects.
    Gcp,
}

impl Scheme {
    /// The scheme as a URL begins with it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::S3 => "s3",
            Self::Gs => "gs",
            Self::Az => "az",
            Self::Aws => "aws",
            Self::Gcp => "gcp",
        }
    }
}

/// A bucket and a prefix, or a folder. It carries no credentials and no query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^(s3|gs|az|file|aws|gcp)://"))]
pub struct Place(Parts);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Parts {
    scheme: Scheme,
    bucket: String,
    prefix: String,
}

impl Place {
    /// The kind of store.
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// The region of Amazon's, or of another account there, that holds snapshots.
    pub fn aws(region: &str, account: Option<&str>) -> Result<Self, Error> {
        match account {
            Some(account) => format!("aws://{region}/{account}").parse(),
            None => format!("aws://{region}").parse(),
        }
    }

    /// The project of Google's, or a region of it, that holds snapshots.
    pub fn gcp(project: &str, region: Option<&str>) -> Result<Self, Error> {
        match region {
            Some(region) => format!("gcp://{project}/{region}").parse(),
            None => format!("gcp://{project}").parse(),
        }
    }

    /// Whether this is a provider's region or project: it holds snapshots, and neither objects nor records.
    pub fn holds_snapshots(&self) -> bool {
        matches!(self.0.scheme, Scheme::Aws | Scheme::Gcp)
    }

    /// The bucket; for `file://` the absolute folder.
    pub fn bucket(&self) -> &str {
        &self.0.bucket
    }

    /// The prefix inside the bucket, without slashes at its ends; empty for `file://`.
    pub fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// Returns the place one folder further down.
    #[must_use]
    pub fn join(&self, below: &str) -> Self {
        let mut parts = self.0.clone();
        let target = if parts.scheme == Scheme::File { &mut parts.bucket } else { &mut parts.prefix };
        if !target.is_empty() && !target.ends_with('/') {
            target.push('/');
        }
        target.push_str(below.trim_matches('/'));
        Self(parts)
    }

    /// A name for this place that is safe as one path segment and differs for different places:
    /// `s3.acme-backups.lastgood.1f2e3d4c`.
    pub fn slug(&self) -> String {
        use sha2::{Digest, Sha256};
        let url = self.to_string();
        let readable: String = url
            .replace("://", ".")
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '.' })
            .collect();
        let readable: Vec<_> = readable.split('.').filter(|part| !part.is_empty()).collect();
        let digest = hex::encode(&Sha256::digest(&url)[..4]);
        let mut name = readable.join(".");
        name.truncate(80);
        format!("{name}.{digest}")
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            invalid(format!("{:?} is not a place: {why}", crate::redact::clip(&crate::redact::text(text), 120)))
                .hint("write s3://bucket/prefix, gs://bucket/prefix, az://account/container/prefix or file:///folder")
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| refuse("it has no scheme"))?;
        let scheme = match scheme {
            "file" => Scheme::File,
            "s3" => Scheme::S3,
            "gs" => Scheme::Gs,
            "az" => Scheme::Az,
            "aws" => Scheme::Aws,
            "gcp" => Scheme::Gcp,
            _ => return Err(refuse("its scheme is not known")),
        };
        if rest.contains(['?', '#', '@', '\\']) || rest.chars().any(char::is_control) {
            return Err(refuse("it may carry no credentials, query, fragment, backslash or control character"));
        }
        if rest.split('/').any(|part| part == ".." || part == ".") {
            return Err(refuse("it may not contain . or .. segments"));
        }
        if scheme == Scheme::File {
            let folder = rest.strip_prefix("localhost").unwrap_or(rest);
            if !folder.starts_with('/') || folder.trim_matches('/').is_empty() {
                return Err(refuse("a file place needs an absolute folder other than /"));
            }
            let bucket = format!("/{}", folder.trim_matches('/'));
            return Ok(Self(Parts { scheme, bucket, prefix: String::new() }));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let bucket_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if bucket.is_empty() || bucket.len() > 222 || !bucket.chars().all(bucket_ok) {
            return Err(refuse("it names no bucket, or one with characters that no bucket has"));
        }
        Ok(Self(Parts { scheme, bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() }))
    }
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.sentence())
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { scheme, bucket, prefix } = &self.0;
        let slash = if prefix.is_empty() { "" } else { "/" };
        f.pad(&format!("{}://{bucket}{slash}{prefix}", scheme.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_and_write() {
        for text in ["s3://acme-backups/lastgood", "gs://b", "az://acct/container/x", "file:///var/backups/lastgood"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        let joined = "s3://b".parse::<Place>().unwrap().join("x");
        assert_eq!(joined.to_string(), "s3://b/x");
        assert_ne!("s3://b/x".parse::<Place>().unwrap().slug(), "s3://b.x".parse::<Place>().unwrap().slug());
    }

    #[test]
    fn hostile_places_are_refused() {
        for text in
            ["", "b", "http://169.254.169.254/x", "s3://", "s3://u:p@b/x", "file://x", "file:///", "s3://b/../c", "s3://b?x=1", "s3://b\n"]
        {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }
}
