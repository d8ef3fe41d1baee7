//! Where secrets come from: each reference goes to the store that it names. A store in a cloud is reached at the first
//! reference to it, and not before.

#[cfg(any(feature = "aws", feature = "gcp"))]
pub(super) mod value;

use super::local::LocalSecrets;
use crate::{
    config::SecretRef,
    error::Result,
    ports::{Secret, Secrets},
};
use async_trait::async_trait;

/// Resolves every kind of reference that this build knows, for the time of one invocation.
#[derive(Debug, Default)]
pub struct SecretSources {
    local: LocalSecrets,
    #[cfg(feature = "aws")]
    aws: super::aws::AwsSecrets,
    #[cfg(feature = "gcp")]
    gcp: super::gcp::GcpSecrets,
}

#[async_trait]
impl Secrets for SecretSources {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret> {
        match reference {
            #[cfg(feature = "aws")]
            SecretRef::Aws { name, field } => self.aws.value(name, field.as_deref()).await,
            #[cfg(not(feature = "aws"))]
            SecretRef::Aws { .. } => self.local.resolve(reference).await,
            #[cfg(feature = "gcp")]
            SecretRef::Gcp { name, field } => self.gcp.value(name, field.as_deref()).await,
            #[cfg(not(feature = "gcp"))]
            SecretRef::Gcp { .. } => self.local.resolve(reference).await,
            SecretRef::Env(_) | SecretRef::File(_) => self.local.resolve(reference).await,
        }
    }
}
