//! Which project this runs in, where a name does not say its own.

use super::access::{Account, Google};
use crate::{
    error::{During, Result, failed, invalid},
    redact::clip,
};
use std::time::Duration;

/// Where Google's own machines ask about themselves.
const METADATA: &str = "169.254.169.254";
const PROJECT: &str = "/computeMetadata/v1/project/project-id";

impl Google {
    /// The project that this runs in: `GOOGLE_CLOUD_PROJECT`, else that of the credentials file, else what a machine of Google's
    /// says of itself. Asked once.
    pub(super) async fn project(&self) -> Result<String> {
        let found = self.project.get_or_try_init(|| self.find_project()).await?;
        Ok(found.clone())
    }

    async fn find_project(&self) -> Result<String> {
        let file = match self.account() {
            Account::Nobody => None,
            Account::File(text) => project_of(text.expose()),
            Account::Environment => match (variable("GOOGLE_CLOUD_PROJECT"), variable("GOOGLE_APPLICATION_CREDENTIALS")) {
                (Some(project), _) => Some(project),
                (None, Some(path)) => {
                    let text = tokio::fs::read_to_string(path).await.during("reading GOOGLE_APPLICATION_CREDENTIALS")?;
                    project_of(&zeroize::Zeroizing::new(text))
                }
                (None, None) => self.of_this_machine().await,
            },
        };
        let project = file.ok_or_else(|| invalid("nothing says in which project of Google's this runs"))?;
        let fits = (1..=100).contains(&project.len()) && project.chars().all(|c| c.is_ascii_alphanumeric() || "-.:".contains(c));
        if fits { Ok(project) } else { Err(failed(format!("{:?} is no project of Google's", clip(&project, 40)))) }
    }

    async fn of_this_machine(&self) -> Option<String> {
        let host = variable("GCE_METADATA_HOST").unwrap_or_else(|| METADATA.to_owned());
        crate::providers::tls::settle();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(3));
        let asked = client.build().ok()?.get(format!("http://{host}{PROJECT}")).header("metadata-flavor", "Google").send().await.ok()?;
        let flavour = asked.headers().get("metadata-flavor").is_some_and(|flavour| flavour == "Google");
        if !asked.status().is_success() || !flavour {
            return None;
        }
        let text = asked.text().await.ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }
}

/// The project of a credentials file. Only a service account's key says one.
fn project_of(file: &str) -> Option<String> {
    let file: serde_json::Value = serde_json::from_str(file).ok()?;
    file["project_id"].as_str().filter(|project| !project.is_empty()).map(str::to_owned)
}

#[expect(clippy::disallowed_methods, reason = "every tool of Google's looks there for who and where it is")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
