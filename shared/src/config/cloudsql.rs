//! Where a throwaway instance of Cloud SQL is made.

use serde::{Deserialize, Serialize};

/// What a drill's instance is, where it is not what its source is: it never has a public address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SqlDrill {
    /// The network that it has its private address in, `projects/PROJECT/global/networks/NAME`: one from which nothing reaches
    /// production. The source's own when not given.
    pub network: Option<String>,
    /// Its region; the source's when not given. A moment is restored in the source's alone.
    pub region: Option<String>,
    /// Its tier; the source's when not given.
    pub tier: Option<String>,
    /// The database that the checks ask; `postgres` when not given.
    pub database: Option<String>,
    /// The role that the checks ask as, which gets a new password; `postgres` when not given.
    pub user: Option<String>,
}
