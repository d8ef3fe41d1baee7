//! `metrics`: the monitors that numbers go to, besides the vault, where `status/metrics.prom` always is.

use super::{ProjectId, SecretRef};
use crate::error::{Error, invalid};
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf, str::FromStr};
use url::Url;

/// Where numbers go. Whatever is left out gets none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Monitors {
    /// A file that Prometheus' `node_exporter` collects: `/var/lib/prometheus/node-exporter/lastgood.prom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub textfile: Option<Textfile>,
    /// A Pushgateway of Prometheus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushgateway: Option<Pushgateway>,
    /// Google's Cloud Monitoring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_monitoring: Option<CloudMonitoring>,
}

/// Google's Cloud Monitoring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudMonitoring {
    /// The project whose metrics they are.
    pub project: ProjectId,
}

/// A Pushgateway of Prometheus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pushgateway {
    /// Where it listens: `http://pushgateway:9091`. Numbers are no secret, so http will do inside a network of one's own.
    pub url: GatewayUrl,
    /// Who we are, where it asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The password of that user; it goes over https only, or stays on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
}

/// The path of a file that `node_exporter`'s textfile collector reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Textfile(PathBuf);

/// Where a Pushgateway listens, without user and password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GatewayUrl(Url);

impl Textfile {
    /// The file.
    pub fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl GatewayUrl {
    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for Textfile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let path = PathBuf::from(text);
        let fits = path.is_absolute() && path.extension().is_some_and(|end| end == "prom") && !text.chars().any(char::is_control);
        if fits {
            return Ok(Self(path));
        }
        Err(invalid("this is no file that node_exporter collects")
            .hint("write a whole path that ends in .prom, in the folder of --collector.textfile.directory"))
    }
}

impl FromStr for GatewayUrl {
    type Err = Error;

    /// Reads a URL. What does not read as one may hold a password, so the error never repeats it.
    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            invalid(format!("this is no URL of a Pushgateway: {why}"))
                .hint("write http://HOST:9091, and user and password beside it: `user: NAME`, `password: env:NAME`")
        };
        let url = Url::parse(text).map_err(|_| refuse("it is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(refuse("it is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it carries a user or a password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it has a query or a fragment"));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for Textfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_str())
    }
}

impl TryFrom<String> for Textfile {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.sentence())
    }
}

impl TryFrom<String> for GatewayUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.sentence())
    }
}

impl From<Textfile> for String {
    fn from(file: Textfile) -> Self {
        file.to_string()
    }
}

impl From<GatewayUrl> for String {
    fn from(url: GatewayUrl) -> Self {
        url.to_string()
    }
}

impl schemars::JsonSchema for Textfile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Textfile".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "a whole path that ends in .prom", "pattern": "^/.*\\.prom$" })
    }
}

impl schemars::JsonSchema for GatewayUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "GatewayUrl".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "http://HOST:9091, without user and password", "pattern": "^https?://[^@]+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collected_file_is_a_whole_path_that_ends_in_prom() {
        assert!("/var/lib/prometheus/node-exporter/lastgood.prom".parse::<Textfile>().is_ok());
        for bad in ["", "lastgood.prom", "/var/lib/lastgood.txt", "/var/lib/.prom", "/a\nb.prom"] {
            assert!(bad.parse::<Textfile>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_gateway_has_no_password_in_its_url() {
        assert!("http://pushgateway:9091".parse::<GatewayUrl>().is_ok());
        for bad in ["", "pushgateway:9091", "ftp://x", "http://u:hunter2@x:9091", "https://x/?token=hunter2"] {
            let error = bad.parse::<GatewayUrl>().unwrap_err().full();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
