//! Restoring an export of Redis for real: the RDB file, opened and compared with its record, in a new folder. From there a new
//! server starts on it, or Memorystore imports it into a new instance: never into one that is in use, whose data it would replace.

use crate::{
    catalog::Vault,
    domain::backup::{Expectations, Form, Manifest, Method},
    env::Progress,
    error::{During, Result, refused, unsupported},
    ports::RestoreTarget,
    stream::{Keys, lay_down, unfinished},
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A new folder that an RDB file is restored into.
pub struct NewRdb {
    folder: PathBuf,
    keys: Keys,
    progress: Arc<dyn Progress>,
}

impl NewRdb {
    /// Restores into a folder that does not exist yet. Touches nothing.
    pub fn new(folder: &Path, keys: Keys, progress: Arc<dyn Progress>) -> Self {
        Self { folder: folder.to_owned(), keys, progress }
    }

    fn guard(&self, backup: &Manifest) -> Result<()> {
        if backup.method != Method::RedisRdb {
            return Err(unsupported(format!("backup {} is no export of Redis", backup.id)));
        }
        if std::fs::symlink_metadata(&self.folder).is_ok() {
            return Err(refused(format!("{} exists already", self.folder.display())).hint("name a new folder: nothing is written over"));
        }
        Ok(())
    }
}

#[async_trait]
impl RestoreTarget for NewRdb {
    fn form(&self) -> Form {
        Form::Export
    }

    fn address(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    async fn plan(&self, backup: &Manifest) -> Result<Vec<String>> {
        self.guard(backup)?;
        Ok(vec![
            format!("read back, decrypt and decompress backup {}, and compare every byte with its record", backup.id),
            format!("lay it down as {}/dump.rdb; nothing is started", self.folder.display()),
        ])
    }

    async fn restore(&self, backup: &Manifest, vault: &Vault) -> Result<BTreeMap<String, String>> {
        self.guard(backup)?;
        let artifact = backup.main().ok_or_else(|| unsupported("a backup without an artifact holds no RDB file"))?;
        let making = unfinished(&self.folder);
        if making.exists() {
            std::fs::remove_dir_all(&making)?;
        }
        std::fs::DirBuilder::new().mode(0o700).create(&making).during(format!("making {}", making.display()))?;
        let gauge = self.progress.begin(&format!("restoring {}", artifact.key), Some(artifact.size));
        if let Err(error) = lay_down(vault.bucket().clone(), artifact, &self.keys, gauge.into(), &making.join("dump.rdb")).await {
            std::fs::remove_dir_all(&making)?;
            return Err(error);
        }
        std::fs::rename(&making, &self.folder).during(format!("giving {} its name", self.folder.display()))?;
        Ok([("lastgood".to_owned(), env!("CARGO_PKG_VERSION").to_owned())].into())
    }

    async fn measure(&self, _: &Manifest) -> Result<Option<Expectations>> {
        Ok(None)
    }

    fn next_steps(&self, backup: &Manifest) -> Vec<String> {
        let folder = self.folder.display();
        let name = format!("restored-{}", backup.asset);
        vec![
            format!(
                "to look at it here: redis-server --port 0 --unixsocket {folder}/socket --dir {folder} --dbfilename dump.rdb --save ''"
            ),
            format!("for Memorystore: gcloud redis instances create {name} --region REGION --size SIZE, as the old one was set up"),
            format!(
                "gcloud storage cp {folder}/dump.rdb gs://BUCKET/{name}.rdb && gcloud redis instances import gs://BUCKET/{name}.rdb {name} --region REGION"
            ),
            "never import into the instance in use: what it holds is replaced, and lost where the import fails".to_owned(),
            "count its keys (INFO keyspace), let the applications use the new one, and keep the old one until nobody needs it".to_owned(),
        ]
    }
}
