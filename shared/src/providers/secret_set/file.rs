//! Restoring an export of secrets into a new local file: the JSON lines, opened and compared with their record, readable by its owner
//! alone. What is there is never written over.

use super::{Lines, checked};
use crate::{
    catalog::Vault,
    domain::backup::{Expectations, Form, Manifest, Method},
    env::Progress,
    error::{During, Error, Result, refused, unsupported},
    ports::RestoreTarget,
    stream::{Keys, lay_down, unfinished},
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A new file that secrets are restored into.
pub struct NewFile {
    path: PathBuf,
    keys: Keys,
    progress: Arc<dyn Progress>,
}

impl NewFile {
    /// Restores into a file that does not exist yet. Touches nothing.
    pub fn new(path: &Path, keys: Keys, progress: Arc<dyn Progress>) -> Self {
        Self { path: path.to_owned(), keys, progress }
    }

    fn guard(&self, backup: &Manifest) -> Result<()> {
        if backup.method != Method::SecretsJsonl {
            return Err(unsupported(format!("backup {} is no export of secrets", backup.id)));
        }
        if std::fs::symlink_metadata(&self.path).is_ok() {
            return Err(refused(format!("{} exists already", self.path.display())).hint("name a new file: nothing is written over"));
        }
        backup.artifacts.iter().try_for_each(|artifact| self.keys.can_open(artifact))
    }
}

#[async_trait]
impl RestoreTarget for NewFile {
    fn form(&self) -> Form {
        Form::Export
    }

    fn address(&self) -> String {
        format!("file://{}", self.path.display())
    }

    async fn plan(&self, backup: &Manifest) -> Result<Vec<String>> {
        self.guard(backup)?;
        Ok(vec![
            format!("read back, decrypt and decompress backup {}, and compare every byte with its record", backup.id),
            format!("lay its {} secrets down in {}, readable by you alone", backup.expectations.secrets.len(), self.path.display()),
        ])
    }

    async fn restore(&self, backup: &Manifest, vault: &Vault) -> Result<BTreeMap<String, String>> {
        self.guard(backup)?;
        // Nothing of it touches the disk before all of it is known to be good.
        checked(Lines::open(backup, vault, &self.keys, &*self.progress).await?).await?;
        let artifact = backup.main().ok_or_else(|| unsupported("a backup without an artifact holds no secrets"))?;
        let making = unfinished(&self.path);
        if std::fs::symlink_metadata(&making).is_ok() {
            std::fs::remove_file(&making)?;
        }
        let gauge = self.progress.begin(&format!("restoring {}", artifact.key), Some(artifact.size));
        let laid = async {
            lay_down(vault.bucket().clone(), artifact, &self.keys, gauge.into(), &making).await?;
            // Unlike a rename, a link never takes the place of what somebody made meanwhile.
            std::fs::hard_link(&making, &self.path).during(format!("giving {} its name", self.path.display()))
        };
        let laid = laid.await.during(format!("laying secrets down in {}", self.path.display()));
        match std::fs::remove_file(&making) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::from(error).during(format!("removing {}", making.display())));
            }
            Ok(()) | Err(_) => {}
        }
        laid?;
        Ok([("lastgood".to_owned(), env!("CARGO_PKG_VERSION").to_owned())].into())
    }

    async fn measure(&self, _: &Manifest) -> Result<Option<Expectations>> {
        let file = tokio::fs::File::open(&self.path).await?;
        let secrets = checked(Lines::of(Box::pin(file))).await?;
        Ok(Some(Expectations { secrets, ..Expectations::default() }))
    }

    fn next_steps(&self, _: &Manifest) -> Vec<String> {
        let path = self.path.display();
        vec![
            format!("its names: jq -r .name {path}"),
            format!("one value, without a look at it: jq -j 'select(.name==\"NAME\").value' {path} | COMMAND"),
            "where COMMAND is gcloud secrets versions add NAME --data-file=-, or aws secretsmanager put-secret-value --secret-id NAME \
             --secret-string file:///dev/stdin: either makes it the value in use at once"
                .to_owned(),
            "of what is binary: .binary instead of .value, and | base64 -d behind jq".to_owned(),
            format!("remove it as soon as it is no longer needed: shred -u {path}"),
        ]
    }
}
