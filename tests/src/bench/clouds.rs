//! Up to Cloud Storage and Blob Storage and down again, against rclone, which talks to the same doubles in the same run.
//!
//! The vendors' own tools are not in Debian (gsutil, gcloud, azcopy, az); rclone is. It is asked for what ours promises: its way up
//! ends with the upload, so what we compare there it is asked to digest. What it takes alone is told beside.

use super::{Pair, median, run};
use crate::{
    azurite::{self, Azurite},
    gcs::GcsServer,
    vaults::{ASSET, backup},
};
use lastgood_core::{
    catalog::Vault,
    domain::backup::{Compression, Role},
    providers::local::Folder,
    stream::Encoding,
};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};
use tempfile::TempDir;

/// What our time may be at most, as a multiple of theirs.
const BOUND: f64 = 1.15;

/// A backup in a folder, and a cloud to copy it to.
pub struct Cloud {
    name: &'static str,
    folder: TempDir,
    lastgood: PathBuf,
    file: PathBuf,
    environment: Vec<(&'static str, String)>,
    place: String,
    remote: String,
}

/// Whether rclone is here to be measured against.
pub fn rclone() -> bool {
    Command::new("rclone").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

impl Cloud {
    /// Cloud Storage, by its double, made easy; it must live as long as the measurement.
    pub async fn google(lastgood: &Path, megabytes: u64) -> (Self, GcsServer) {
        let server = GcsServer::start().await.at_once().easy();
        let address = server.address();
        let remote = format!(":gcs,anonymous=true,endpoint='http://{address}/storage/v1/':vault-test");
        let environment = vec![("STORAGE_EMULATOR_HOST", format!("http://{address}"))];
        (Self::new("gs", lastgood, megabytes, environment, "gs://vault-test".to_owned(), remote).await, server)
    }

    /// Blob Storage, by Azurite, which must live as long as the measurement; none where there is none.
    pub async fn azure(lastgood: &Path, megabytes: u64) -> Option<(Self, Azurite)> {
        let server = Azurite::start("az").await?;
        let environment = vec![("AZURE_STORAGE_CONNECTION_STRING", server.connection())];
        let (place, remote) = (azurite::place("").to_string(), format!(":azureblob,sas_url='{}':vault-test", server.signed()));
        Some((Self::new("az", lastgood, megabytes, environment, place, remote).await, server))
    }

    async fn new(
        name: &'static str,
        lastgood: &Path,
        megabytes: u64,
        environment: Vec<(&'static str, String)>,
        place: String,
        remote: String,
    ) -> Self {
        let folder = tempfile::Builder::new().prefix("lastgood-bench-").tempdir().expect("a temporary folder");
        let vault = folder.path().join("vault");
        let here = Vault::new(Arc::new(Folder::new(format!("file://{}", vault.display()).parse().expect("a place")).expect("a folder")));
        let plain = Encoding { compression: Compression::None, level: None, recipients: Arc::default(), at_once: 1 };
        let size = usize::try_from(megabytes * 1_000_000).expect("a size");
        let made = backup(&here, "2026-11-20T02:00:00Z", &[(Role::Data, super::super::vaults::lifelike(size))], &plain).await;
        let file = vault.join(&made.artifacts[0].key);
        Self { name, folder, lastgood: lastgood.to_owned(), file, environment, place, remote }
    }

    fn rclone(&self, args: &[&str]) -> Command {
        let mut rclone = Command::new("rclone");
        rclone.args(["--config", "/dev/null", "--no-check-dest", "-q"]).args(args);
        rclone
    }

    fn lastgood(&self, vault: &str, copies: &str, args: &[&str]) -> Command {
        let config = self.folder.path().join("lastgood.yaml");
        let text = format!(
            "vault: {vault}\nassets:\n  {ASSET}: {{ kind: postgres, url: env:U, export: {{ schedule: \"0 2 * * *\" }}, copies: [ {copies} ] }}\n"
        );
        std::fs::write(&config, text).expect("a config");
        let mut lastgood = Command::new(&self.lastgood);
        lastgood.env("LASTGOOD_CONFIG", config).envs(self.environment.iter().map(|(name, value)| (name, value))).args(args);
        lastgood.stdout(Stdio::null());
        lastgood
    }

    /// Up and read back; down to a file; and read where it lies. Returns the rows.
    pub fn pairs(&self, runs: usize) -> [Pair; 3] {
        let name = self.name;
        let (mut up, mut down, mut compared) = (
            pair(format!("{name}: up, every byte compared there"), "rclone copyto, then hashsum SHA-256 --download"),
            pair(format!("{name}: down to a file, and compared"), "rclone copyto, then sha256sum of the file"),
            pair(format!("{name}: every byte compared there"), "rclone hashsum SHA-256 --download"),
        );
        let (here, mut alone) = (format!("file://{}", self.folder.path().join("vault").display()), Vec::new());
        for number in 0..runs {
            let theirs = format!("{}/theirs-{number}", self.remote);
            let upload = run(self.rclone(&["copyto", &self.file.display().to_string(), &theirs]).stdout(Stdio::null()));
            let hash = run(self.rclone(&["hashsum", "SHA-256", "--download", &theirs]).stdout(Stdio::null()));
            up.theirs.push(upload.wall + hash.wall);
            compared.theirs.push(hash.wall);
            alone.push(upload.wall);
            let there = format!("{}/ours-{number}", self.place.trim_end_matches('/'));
            up.ours.push(run(&mut self.lastgood(&here, &format!("{{ vault: \"{there}\" }}"), &["copy", ASSET])));

            let file = self.folder.path().join(format!("down-{number}"));
            let download = run(self.rclone(&["copyto", &theirs, &file.display().to_string()]).stdout(Stdio::null()));
            down.theirs.push(download.wall + run(Command::new("sha256sum").arg(&file).stdout(Stdio::null())).wall);
            let folder = format!("{{ vault: \"file://{}/again-{number}\" }}", self.folder.path().display());
            down.ours.push(run(&mut self.lastgood(&there, &folder, &["copy", ASSET])));

            compared.ours.push(run(&mut self.lastgood(&there, "", &["verify", ASSET, "--all"])));
        }
        println!("{name}: an upload that nobody compares takes rclone {:.2} s", median(alone));
        [up, down, compared]
    }
}

fn pair(what: String, reference: &str) -> Pair {
    Pair { what, reference: reference.to_owned(), ours: Vec::new(), theirs: Vec::new(), bound: BOUND }
}
