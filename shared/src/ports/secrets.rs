//! Secrets: resolved late, held shortly, never shown.

use crate::{config::SecretRef, error::Result};
use async_trait::async_trait;
use std::fmt::{self, Debug};
use zeroize::Zeroizing;

/// A secret value. It has no way into a log, a record or an error; its memory is wiped when it goes.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a value into custody: from now on [`crate::redact::text`] replaces it wherever it turns up.
    pub fn new(value: impl Into<String>) -> Self {
        let value = Zeroizing::new(value.into());
        crate::redact::remember(&value);
        Self(value)
    }

    /// Shows the value to the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Resolves secret references.
#[async_trait]
pub trait Secrets: Debug + Send + Sync {
    /// Returns the value that a reference names, or says what is missing and where to put it.
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret>;
}
