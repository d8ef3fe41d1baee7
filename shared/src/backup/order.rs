//! What an asset's policy orders for one form of backup.

use crate::{
    config::{Asset, Check, Format, Source},
    domain::{
        backup::{Compression, Form, Method},
        due::Schedule,
    },
    ports::Ask,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// When a backup is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// When its slot is open.
    #[default]
    Due,
    /// Now, because somebody asks for it.
    Now,
}

/// What is to be made of an asset.
#[derive(Debug, Clone)]
pub struct Order {
    /// When.
    pub schedule: Schedule,
    /// How.
    pub method: Method,
    /// How it is compressed.
    pub compression: Compression,
    /// The compression level; none for the default.
    pub level: Option<i32>,
    /// Parallel workers.
    pub jobs: usize,
    /// Tables stored as CSV beside it.
    pub tables_csv: Vec<String>,
    /// Whether tables get a digest.
    pub digests: bool,
    /// Migration tables that the drill's checks name.
    pub migrations: Vec<String>,
}

impl Order {
    /// Returns what the policy orders, or none when it orders nothing of this form.
    pub fn of(asset: &Asset, form: Form) -> Option<Self> {
        let checks = asset.policy.drill.iter().flat_map(|drill| &drill.checks);
        let migrations = checks.filter_map(|check| match check {
            Check::Migration { migration, .. } => Some(migration.clone()),
            Check::Sql { .. }
            | Check::Rows { .. }
            | Check::Newest { .. }
            | Check::Http { .. }
            | Check::Amcheck { .. }
            | Check::Filesystem { .. } => None,
        });
        let migrations = migrations.collect();
        match form {
            Form::Export => asset.policy.export.as_ref().map(|policy| Self {
                schedule: policy.schedule.clone(),
                method: match policy.format {
                    _ if matches!(asset.source, Source::Memorystore { .. }) => Method::RedisRdb,
                    _ if matches!(asset.source, Source::Secrets { .. }) => Method::SecretsJsonl,
                    _ if policy.offload => Method::PgDumpPlain,
                    Format::Custom => Method::PgDumpCustom,
                    Format::Plain => Method::PgDumpPlain,
                    Format::Directory => Method::PgDumpDirectory,
                },
                compression: policy.compression,
                level: policy.level,
                jobs: usize::from(policy.jobs.max(1)),
                tables_csv: policy.tables_csv.clone(),
                digests: policy.digests,
                migrations,
            }),
            Form::Snapshot => asset.policy.snapshot.as_ref().map(|policy| Self {
                schedule: policy.schedule.clone(),
                method: if asset.source.home().is_some() { Method::ProviderSnapshot } else { Method::PgBaseBackup },
                compression: policy.compression,
                level: None,
                jobs: 1,
                tables_csv: Vec::new(),
                digests: false,
                migrations,
            }),
        }
    }

    /// What it asks of an exporter, which may spool in `spool`.
    pub fn ask(&self, spool: PathBuf) -> Ask {
        Ask {
            method: self.method,
            jobs: self.jobs,
            tables_csv: self.tables_csv.clone(),
            digests: self.digests,
            migrations: self.migrations.clone(),
            spool,
        }
    }

    /// The form that it makes.
    pub fn form(&self) -> Form {
        self.method.form()
    }

    /// How many of its streams are large, and so share the machine.
    pub(super) fn large_streams(&self) -> usize {
        match self.method {
            Method::PgDumpDirectory => self.jobs,
            Method::PgDumpCustom
            | Method::PgDumpPlain
            | Method::PgBaseBackup
            | Method::RedisRdb
            | Method::SecretsJsonl
            | Method::ProviderSnapshot
            | Method::PointInTime => 1,
        }
    }

    /// How many streams are stored at once: every worker of a directory dump must be read, or it would wait for ever.
    pub(super) fn streams(&self) -> usize {
        match self.method {
            Method::PgDumpDirectory => self.jobs + 1,
            Method::PgDumpCustom
            | Method::PgDumpPlain
            | Method::PgBaseBackup
            | Method::RedisRdb
            | Method::SecretsJsonl
            | Method::ProviderSnapshot
            | Method::PointInTime => 2,
        }
    }
}
