//! How an owner wants backups to be proven: when, into what, and what a replica is asked.

use super::{AnyOf, DiskDrill, EbsDrill, Filesystem, SecretRef, SqlDrill};
use crate::domain::{due::Schedule, place::Place, span::Span};
use serde::{Deserialize, Serialize};

/// How and when an asset's backups are proven.
#[derive(Debug, Clone, Serialize)]
pub struct DrillPolicy {
    /// When.
    pub schedule: Schedule,
    /// Where the replica is made.
    pub into: DrillTarget,
    /// The place whose copy is restored; the vault itself when not given.
    pub from: Option<Place>,
    /// Which form is drilled; by default whichever was drilled longer ago.
    pub form: Option<crate::domain::backup::Form>,
    /// How long before the drill the moment lies that is restored out of the provider's own continuous backups, where no
    /// backup of ours is to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point_in_time: Option<Span>,
    /// Whether the policy's checks are asked of what AWS Backup restores to be tested, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub restore_tests: bool,
    /// How long a drill may take before it is torn down.
    pub timeout: Span,
    /// What is checked beyond the recorded expectations.
    pub checks: Vec<Check>,
}

/// Where a replica is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DrillTarget {
    /// A private throwaway server on the machine that runs the drill.
    #[default]
    Scratch,
    /// A database of its own on a running server.
    Server(SecretRef),
    /// A throwaway RDS instance or Aurora cluster.
    Rds(RdsDrill),
    /// A throwaway Cloud SQL instance.
    Cloudsql(SqlDrill),
    /// Throwaway volumes of EBS, which are read and never attached.
    Ebs(EbsDrill),
    /// Throwaway disks of Google's, which are never attached.
    Disk(DiskDrill),
}

/// Where a throwaway RDS instance is made: a network of its own, from which nothing reaches production.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RdsDrill {
    /// The DB subnet group of the drill network.
    pub subnet_group: String,
    /// Its security groups. They let the drill function in, and nothing out.
    pub security_groups: Vec<String>,
    /// The instance class; the source's when not given.
    pub class: Option<String>,
    /// The database that the checks ask; `postgres` when not given.
    pub database: Option<String>,
    /// A file with the certificates of RDS, such as `global-bundle.pem`; the system's when not given.
    pub ca: Option<std::path::PathBuf>,
    /// The subnet group and security groups of other regions, for drills of copies there.
    #[serde(default)]
    pub regions: std::collections::BTreeMap<String, DrillNetwork>,
}

/// The drill network of one more region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillNetwork {
    /// The DB subnet group.
    pub subnet_group: String,
    /// Its security groups.
    pub security_groups: Vec<String>,
}

/// One question to a replica.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Check {
    /// One SQL question whose single answer must satisfy a comparison.
    Sql {
        /// The question.
        sql: String,
        /// What the answer must be.
        expect: Expect,
    },
    /// The number of rows of a table.
    Rows {
        /// The table.
        table: String,
        /// What the number must be.
        rows: Expect,
    },
    /// The newest row of a table is at most this old at the backup's data time.
    Newest {
        /// The table.
        table: String,
        /// The column that dates a row.
        newest: String,
        /// How old.
        within: Span,
    },
    /// The migration head is that of the source when the backup was taken.
    Migration {
        /// The migration table.
        migration: String,
        /// Always true.
        equals_source: bool,
    },
    /// An HTTP endpoint answers with status 200 and a body that contains this.
    Http {
        /// The URL; never of this asset's production.
        http: String,
        /// What the body must contain.
        expect: String,
    },
    /// Every index of the replica is sound (physical restores).
    Amcheck {
        /// Always true.
        amcheck: bool,
    },
    /// Every volume bears a file system of this kind, or of one of these (volumes).
    Filesystem {
        /// Which.
        filesystem: AnyOf<Filesystem>,
    },
}

/// A comparison: `= 5`, `>= 1`, `< 10`, `!= 0`, `= 'text'`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^(=|!=|<=?|>=?) .+$"))]
pub struct Expect(ExpectParts);

#[derive(Debug, Clone, PartialEq, Eq)]
struct ExpectParts {
    operator: &'static str,
    value: String,
}

impl TryFrom<String> for Expect {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: crate::error::Error| error.sentence())
    }
}

impl std::str::FromStr for Expect {
    type Err = crate::error::Error;

    fn from_str(text: &str) -> crate::error::Result<Self> {
        let trimmed = text.trim();
        let found =
            ["!=", ">=", "<=", "=", ">", "<"].into_iter().find_map(|operator| Some((operator, trimmed.strip_prefix(operator)?.trim())));
        match found {
            Some((operator, value)) if !value.is_empty() => {
                let value = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')).unwrap_or(value).to_owned();
                Ok(Self(ExpectParts { operator, value }))
            }
            _ => Err(crate::error::invalid(format!("{:?} is not a comparison", crate::redact::clip(text, 60)))
                .hint("write an operator and a value, such as \">= 1\", \"= 42\" or \"!= 'draft'\"")),
        }
    }
}

impl From<Expect> for String {
    fn from(expect: Expect) -> Self {
        expect.to_string()
    }
}

impl std::fmt::Display for Expect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0.operator, self.0.value)
    }
}

impl Expect {
    /// Decides whether an answer satisfies the comparison: as numbers when both are, as text otherwise.
    pub fn holds(&self, answer: &str) -> bool {
        let ExpectParts { operator, value } = &self.0;
        let ordering = match (answer.trim().parse::<f64>(), value.parse::<f64>()) {
            (Ok(answer), Ok(value)) => answer.partial_cmp(&value),
            (Err(_), Err(_)) => Some(answer.cmp(value.as_str())),
            _ if *operator == "!=" => return true,
            _ => None,
        };
        ordering.is_some_and(|ordering| match *operator {
            "=" => ordering.is_eq(),
            "!=" => ordering.is_ne(),
            ">" => ordering.is_gt(),
            ">=" => ordering.is_ge(),
            "<" => ordering.is_lt(),
            _ => ordering.is_le(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_compare_numbers_as_numbers() {
        let holds = |expect: &str, answer: &str| Expect::try_from(expect.to_owned()).unwrap().holds(answer);
        assert!(holds(">= 1", "10"));
        assert!(!holds(">= 9", "10 rows"));
        assert!(holds("= 'ready'", "ready"));
        assert!(holds("!= 0", "x"));
        assert!(!holds("> 10", "9"));
        assert!(Expect::try_from("1".to_owned()).is_err());
    }
}
