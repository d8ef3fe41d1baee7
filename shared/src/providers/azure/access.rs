//! Who we are to Azure, and where its services are reached.

use super::{identity::Identity, refused::Refused, sign};
use crate::{
    error::{Result, denied},
    ports::Secret,
    providers::web::Client,
};

/// Where Azure is reached, where that is not as the environment says.
///
/// What is none here is taken from where every tool of Azure's takes it: `AZURE_STORAGE_CONNECTION_STRING` (the key or signature
/// of the account that it names, and where that is), `AZURE_STORAGE_KEY` or `AZURE_STORAGE_SAS_TOKEN` (for
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
        let connected = || self.connection(account)?.address(account);
        self.access.endpoint.clone().or_else(connected).unwrap_or_else(public).trim_end_matches('/').to_owned()
    }

    /// What the environment's connection string says of an account.
    fn connection(&self, account: &str) -> Option<Connection> {
        let environment = matches!(self.access.account, Account::Environment) && self.access.endpoint.is_none();
        let text = variable("AZURE_STORAGE_CONNECTION_STRING").filter(|_| environment)?;
        Some(Connection::read(&text)).filter(|connection| connection.account == account)
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
        if let Some(proof) = self.connection(account).and_then(|connection| connection.proof) {
            if let Proof::Key(key) = &proof {
                sign::check(key.expose())
                    .map_err(|_| Refused::Nobody(denied("AZURE_STORAGE_CONNECTION_STRING has no key of an account")))?;
            }
            return Ok(proof);
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

/// A connection string, as far as it is about blobs: `AccountName=…;AccountKey=…;BlobEndpoint=…`.
#[derive(Default)]
struct Connection {
    account: String,
    endpoint: Option<String>,
    suffix: Option<String>,
    plain: bool,
    proof: Option<Proof>,
}

impl Connection {
    fn read(text: &str) -> Self {
        let mut connection = Self::default();
        for (name, value) in text.split(';').filter_map(|part| part.trim().split_once('=')) {
            match name.to_ascii_lowercase().as_str() {
                "accountname" => value.clone_into(&mut connection.account),
                "blobendpoint" => connection.endpoint = Some(value.to_owned()),
                "endpointsuffix" => connection.suffix = Some(value.to_owned()),
                "defaultendpointsprotocol" => connection.plain = value.eq_ignore_ascii_case("http"),
                "accountkey" => connection.proof = Some(Proof::Key(Secret::new(value))),
                "sharedaccesssignature" => connection.proof = Some(Proof::Sas(Secret::new(value.trim_start_matches('?')))),
                _ => {}
            }
        }
        connection
    }

    fn address(&self, account: &str) -> Option<String> {
        let scheme = if self.plain { "http" } else { "https" };
        let by_suffix = || Some(format!("{scheme}://{account}.blob.{}", self.suffix.as_ref()?));
        self.endpoint.clone().or_else(by_suffix)
    }
}

#[expect(clippy::disallowed_methods, reason = "every tool of Azure's takes its settings from these")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_says_where_an_account_is_and_who_we_are() {
        let azurite = Connection::read(
            "DefaultEndpointsProtocol=http;AccountName=dev;AccountKey=a2V5PT0=;BlobEndpoint=http://127.0.0.1:10000/dev;QueueEndpoint=http://x",
        );
        assert_eq!((azurite.account.as_str(), azurite.address("dev").as_deref()), ("dev", Some("http://127.0.0.1:10000/dev")));
        assert!(matches!(azurite.proof, Some(Proof::Key(key)) if key.expose() == "a2V5PT0="), "a key's own padding stays");
        let china = Connection::read("AccountName=a;SharedAccessSignature=?sv=1&sig=x%3D;EndpointSuffix=core.chinacloudapi.cn");
        assert_eq!(china.address("a").as_deref(), Some("https://a.blob.core.chinacloudapi.cn"));
        assert!(matches!(china.proof, Some(Proof::Sas(sas)) if sas.expose() == "sv=1&sig=x%3D"));
        let nothing = Connection::read("nonsense;=;;AccountName");
        assert!(nothing.account.is_empty() && nothing.proof.is_none() && nothing.address("a").is_none());
    }
}
