//! A file that Prometheus' `node_exporter` collects. It appears whole: a reader sees the last numbers or these, and never a
//! part.

use crate::{
    config::Textfile,
    error::{During, Error, Result, failed, invalid},
    ports::{Monitor, Numbers},
};
use async_trait::async_trait;
use std::{io::Write, os::unix::fs::PermissionsExt, path::Path};

/// The file; `node_exporter` runs as somebody else, so everybody may read it.
#[derive(Debug)]
pub struct Collected {
    file: Textfile,
    name: String,
}

impl Collected {
    /// The file of this path. Its folder must be there.
    pub fn new(file: Textfile) -> Self {
        Self { name: format!("textfile {file}"), file }
    }
}

#[async_trait]
impl Monitor for Collected {
    fn name(&self) -> &str {
        &self.name
    }

    async fn take(&self, numbers: &Numbers) -> Result<()> {
        let (file, text) = (self.file.clone(), numbers.text.clone());
        let written = tokio::task::spawn_blocking(move || write(file.path(), &text)).await;
        written.map_err(|error| failed("writing was broken off").because(error))?
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    let folder = path.parent().filter(|folder| folder.is_dir()).ok_or_else(|| {
        invalid(format!("{}: its folder does not exist", path.display())).hint("name the folder of --collector.textfile.directory")
    })?;
    // `node_exporter` reads what ends in .prom; a file that is being written does not.
    let mut unfinished = tempfile::Builder::new().prefix(".lastgood-").suffix(".tmp").tempfile_in(folder).during(doing())?;
    unfinished.write_all(text.as_bytes()).during(doing())?;
    unfinished.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).during(doing())?;
    unfinished.persist(path).map(drop).map_err(|error| Error::from(error.error).during(doing()))
}
