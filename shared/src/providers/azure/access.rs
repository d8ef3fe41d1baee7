//! Who we are to Azure, and where its services are reached.

use super::{identity::Identity, refused::Refused, sign};
use crate::{
    error::{Result, denied},
    ports::Secret,
    providers::web::Client,
};

/// Where Azure is reached, where that is not as the environment says.
///
/// What is none here is taken from where every tool of Azure's takes it: `AZURE_STORAGE_KEY` or `AZURE_STORAGE_SAS_TOKEN` (for
/// the account that `AZURE_STORAGE_ACCOUNT` names, or any), `AZURE_TENANT_ID` and `AZURE_CLIENT_ID` with
/// `AZURE_FEDERATED_TOKEN_FILE` (workload identity) or `AZURE_CLIENT_SECRET`, and last the managed identity of the machine.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The address of the account, where it is not `https://ACCOUNT.blob.core.windows.net`.
    pub endpoint: Option<String>,
    /// Who we are.
    pub account: Account,
}

/// Who we are to Azure.
#[derive(Debug, Clone, Default)]
pub enum Account {
    /// Whoever the environment says.
    #[default]
    Environment,
    /// Who knows the account's key (base64).
    Key(Secret),
    /// Who has a shared access signature, without its question mark.
    Sas(Secret),
}

/// Azure, as one invocation reaches it.
#[derive(Debug, Default)]
pub struct Azure {
    access: Access,
    client: Client,
    identity: Identity,
}

/// How one request says who we are.
pub(super) enum Proof {
    /// A signature over the request with this key.
    Key(Secret),
    /// A query.
    Sas(Secret),
    /// A header.
    Bearer(Secret),
}

impl Azure {
    /// Reaches nothing yet.
    pub fn new(access: Access) -> Self {
        Self { access, ..Self::default() }
    }

    /// The address of an account, without a slash at its end.
    pub(super) fn address(&self, account: &str) -> String {
        let public = || format!("https://{account}.blob.core.windows.net");
        self.access.endpoint.clone().unwrap_or_else(public).trim_end_matches('/').to_owned()
    }

    /// The one client.
    pub(super) async fn client(&self) -> Result<reqwest::Client> {
        self.client.get("Azure", self.access.endpoint.is_some()).await
    }

    /// How a request to an account says who we are.
    pub(super) async fn proof(&self, account: &str) -> Result<Proof, Refused> {
        match &self.access.account {
            Account::Key(key) => return Ok(Proof::Key(key.clone())),
            Account::Sas(sas) => return Ok(Proof::Sas(sas.clone())),
            Account::Environment => {}
        }
        let ours = variable("AZURE_STORAGE_ACCOUNT").is_none_or(|named| named == account);
        if let Some(key) = variable("AZURE_STORAGE_KEY").filter(|_| ours) {
            sign::check(&key).map_err(|_| Refused::Nobody(denied("AZURE_STORAGE_KEY is not the key of an account")))?;
            return Ok(Proof::Key(Secret::new(key)));
        }
        if let Some(sas) = variable("AZURE_STORAGE_SAS_TOKEN").filter(|_| ours) {
            return Ok(Proof::Sas(Secret::new(sas.trim_start_matches('?'))));
        }
        let client = self.client().await.map_err(Refused::Nobody)?;
        self.identity.token(&client).await.map(Proof::Bearer).map_err(Refused::Nobody)
    }

    /// Forgets the token: it was refused, though it looked good.
    pub(super) async fn forget(&self) {
        self.identity.forget().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "every tool of Azure's takes its settings from these")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
