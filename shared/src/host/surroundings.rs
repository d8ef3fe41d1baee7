//! What a host reads of the environment, read once and in one place.

use super::{Host, Outlet, Proof};
use crate::{
    domain::span::Span,
    error::{During, Result, invalid},
};
use std::{path::PathBuf, time::Duration};

/// The config that is read when nothing names another.
const CONFIG: &str = "lastgood.yaml";

/// The settings of the environment. None of them is a secret.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Which host is called for.
    pub host: Host,
    /// `LASTGOOD_CONFIG`: a path or a vault URL.
    pub config: String,
    /// `LASTGOOD_LOG`: what is logged.
    pub log: Option<String>,
    /// `LASTGOOD_TIMEOUT`: how long one run may take; what the platform's own setting says.
    pub timeout: Option<Duration>,
    /// `LASTGOOD_SCRATCH`: the folder under which scratch folders are made.
    pub scratch: Option<PathBuf>,
    /// `CLOUD_RUN_JOB`: a schedule started this, not a hand.
    pub job: bool,
    /// `CLOUD_RUN_TASK_ATTEMPT`: how often Cloud Run has started this very task before.
    pub attempt: u32,
    /// What is asked of whoever calls over HTTP.
    pub proof: Option<Proof>,
    /// `LASTGOOD_METRICS`: `emf` where the logs go to CloudWatch, `off` nowhere. In Lambda they always do.
    pub metrics: Option<Outlet>,
}

impl Surroundings {
    /// Reads this process's environment.
    #[expect(clippy::disallowed_methods, reason = "the host is who reads the environment")]
    pub fn read() -> Result<Self> {
        Self::from(|name| std::env::var_os(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty()))
    }

    /// Reads an environment.
    fn from(var: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let host = match (var("AWS_LAMBDA_RUNTIME_API"), var("K_SERVICE"), var("PORT")) {
            (Some(_), _, _) => {
                // The runtime client panics where one of these is missing, which only a hand-made environment brings about.
                for name in ["AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"] {
                    var(name).ok_or_else(|| {
                        invalid(format!("AWS_LAMBDA_RUNTIME_API is set, {name} is not")).hint("Lambda sets both; outside of it set neither")
                    })?;
                }
                Host::Lambda
            }
            (None, Some(_), Some(port)) => {
                Host::Http { port: port.parse().map_err(|_| invalid(format!("PORT is {:?}, not a port", crate::redact::clip(&port, 20))))? }
            }
            (None, _, _) => Host::Once,
        };
        let metrics = match (var("LASTGOOD_METRICS").as_deref(), host) {
            (None, Host::Lambda) | (Some("emf"), Host::Lambda | Host::Http { .. }) => Some(Outlet::Stdout),
            // There stdout is for results.
            (Some("emf"), Host::Once) => Some(Outlet::Stderr),
            (None, Host::Http { .. } | Host::Once) | (Some("off"), _) => None,
            (Some(other), _) => {
                return Err(invalid(format!("LASTGOOD_METRICS is {:?}", crate::redact::clip(other, 20))).hint("write emf or off"));
            }
        };
        let timeout = var("LASTGOOD_TIMEOUT").map(|text| text.parse::<Span>()).transpose().during("LASTGOOD_TIMEOUT")?;
        Ok(Self {
            host,
            config: var("LASTGOOD_CONFIG").unwrap_or_else(|| CONFIG.to_owned()),
            log: var("LASTGOOD_LOG"),
            timeout: timeout.map(Span::duration),
            scratch: var("LASTGOOD_SCRATCH").map(PathBuf::from),
            job: var("CLOUD_RUN_JOB").is_some(),
            attempt: var("CLOUD_RUN_TASK_ATTEMPT").and_then(|text| text.parse().ok()).unwrap_or(0),
            proof: Proof::read(&var)?,
            metrics,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Surroundings> {
        Surroundings::from(|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_environment_picks_the_host() {
        let lambda = [
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
            ("AWS_LAMBDA_FUNCTION_NAME", "x"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ];
        assert_eq!(read(&lambda).unwrap().host, Host::Lambda);
        assert_eq!(read(&lambda).unwrap().metrics, Some(Outlet::Stdout));
        assert_eq!(read(&[&lambda[..], &[("LASTGOOD_METRICS", "off")]].concat()).unwrap().metrics, None);
        assert_eq!(read(&[("LASTGOOD_METRICS", "emf")]).unwrap().metrics, Some(Outlet::Stderr), "stdout is for results");
        assert_eq!(read(&[("K_SERVICE", "x"), ("PORT", "8080")]).unwrap().host, Host::Http { port: 8080 });
        assert_eq!(read(&[("PORT", "8080")]).unwrap().host, Host::Once);
        let job = read(&[("CLOUD_RUN_JOB", "x")]).unwrap();
        assert_eq!((job.host, job.job), (Host::Once, true));
        assert_eq!(read(&[]).unwrap().config, "lastgood.yaml");
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (vars, named) in [
            (&[("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")][..], "AWS_LAMBDA_FUNCTION_NAME"),
            (&[("K_SERVICE", "x"), ("PORT", "http")], "PORT"),
            (&[("LASTGOOD_TIMEOUT", "soon")], "LASTGOOD_TIMEOUT"),
            (&[("LASTGOOD_METRICS", "statsd")], "LASTGOOD_METRICS"),
            (&[("LASTGOOD_AUDIENCE", "https://x")], "LASTGOOD_CALLERS"),
            (&[("LASTGOOD_AUDIENCE", "https://x"), ("LASTGOOD_CALLERS", "everybody")], "LASTGOOD_CALLERS"),
            (&[("LASTGOOD_CALLERS", "a@b")], "LASTGOOD_AUDIENCE"),
            (&[("LASTGOOD_SIGNATURES", "none")], "LASTGOOD_SIGNATURES"),
            (
                &[("LASTGOOD_AUDIENCE", "https://x"), ("LASTGOOD_CALLERS", "a@b"), ("LASTGOOD_CERTS", "http://example.com")],
                "LASTGOOD_CERTS",
            ),
        ] {
            assert!(read(vars).unwrap_err().full().contains(named), "{named}");
        }
    }
}
