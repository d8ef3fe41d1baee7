//! One attempt at one backup: from preflight to manifest.

use super::{
    Order, earlier,
    gate::{self, Gate},
    name,
};
use crate::{
    catalog::{Key, lease::Lease},
    clock::since,
    config::Asset,
    domain::{
        backup::{Artifact, Manifest, Method, Role},
        run::Run,
    },
    env::{Env, Gauge},
    error::{During, Error, Result, conflict, failed, out_of_time},
    ports::{Dump, Facts, If, Piece},
    stream::{Encoding, digests, store},
};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::sync::mpsc;

/// What is left of an invocation's time for clearing up.
const MARGIN: Duration = Duration::from_secs(20);

/// Takes the backup that a lease is about and returns its manifest, which by then is in the vault.
pub(super) async fn attempt(env: &Env, asset: &Asset, order: &Order, lease: &Lease) -> Result<Manifest> {
    let gate = Gate::default();
    let mut work = std::pin::pin!(take(env, asset, order, lease, &gate));
    let Some(deadline) = env.deadline else { return work.await };
    let left = since(deadline, env.clock.now()).saturating_sub(MARGIN);
    tokio::select! {
        done = &mut work => return done,
        () = env.clock.sleep(left) => gate.close(),
    }
    tokio::select! {
        Ok(done) = &mut work => Ok(done),
        () = tokio::time::sleep(MARGIN / 2) => Err(late()),
        else => Err(late()),
    }
}

fn late() -> Error {
    out_of_time("the backup did not end within this invocation's time")
        .hint("give it to a runtime that lasts longer: a Cloud Run job, a Fargate task, a terminal")
}

async fn take(env: &Env, asset: &Asset, order: &Order, lease: &Lease, gate: &Gate) -> Result<Manifest> {
    let run = lease.run().await;
    let started_at = env.clock.now();
    let spool = Spool::make(&env.scratch, &run)?;
    let ask = order.ask(spool.0.clone());
    let encoding = Encoding { at_once: order.large_streams(), ..env.encoding(order.compression, order.level)? };
    let exporter = env.providers.exporter(asset, order.form()).await?;
    let preflight = exporter.preflight(&ask).await?;
    let known = env.vault.backups(&asset.name).await?;
    let begun_at = env.clock.now();
    let tier = name::tier(&known.good, order.form(), begun_at);
    let stem = name::stem(&asset.name, tier, run.slot);
    let gauge = env.progress.begin(&format!("backing up {}", asset.name), Some(preflight.expected_size));
    let storing = Storing { env, asset, lease, gate, stem: &stem, encoding: &encoding, expected: preflight.expected_size, gauge: &*gauge };
    if order.method == Method::PgDumpDirectory {
        storing.note_folder().await?;
    }
    let dump = exporter.begin(&ask).await?;
    let (artifacts, facts) = storing.all(dump, order.streams()).await?;
    let sidecar = storing.sidecar(&artifacts).await?;
    let manifest = Manifest {
        id: run.id,
        asset: asset.name.clone(),
        method: order.method,
        tier,
        slot: run.slot,
        data_time: earlier(facts.data_time, begun_at.max(started_at)),
        started_at,
        finished_at: env.clock.now(),
        source: facts.origin,
        artifacts,
        held: None,
        expectations: facts.expectations,
        tools: facts.tools.into_iter().chain([("lastgood".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]).collect(),
    };
    lease.begin_recording().await?;
    let key = Key::Manifest(asset.name.clone(), run.id);
    env.vault.create(&key, &manifest).await.during(format_args!("recording the backup beside {sidecar}"))?;
    Ok(manifest)
}

/// Where the streams of one backup go.
struct Storing<'a> {
    env: &'a Env,
    asset: &'a Asset,
    lease: &'a Lease,
    gate: &'a Gate,
    stem: &'a str,
    encoding: &'a Encoding,
    expected: u64,
    gauge: &'a dyn Gauge,
}

impl Storing<'_> {
    /// Stores every stream, several at once, and returns them with what is known once all have ended well. After the first
    /// failure the others are led to their end, so that none leaves half an upload behind.
    async fn all(&self, dump: Box<dyn Dump>, at_once: usize) -> Result<(Vec<Artifact>, Facts)> {
        let (send, receive) = mpsc::channel(1);
        let hand_out = async { self.hand_out(dump, send).await.inspect_err(|_| self.gate.close()) };
        let (dump, stored) = tokio::join!(hand_out, self.take_in(receive, at_once));
        let (mut artifacts, dump) = match (stored, dump) {
            (Ok(artifacts), Ok(dump)) => (artifacts, dump),
            // What a stream says of its own end tells more than that something else ended with it.
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error),
            (Err(stored), Err(handed)) => return Err(if is_echo(&stored) { handed } else { stored }),
        };
        let facts = tokio::select! {
            facts = dump.finish() => facts?,
            closed = self.gate.closed() => return Err(closed),
        };
        artifacts.sort_by_cached_key(|artifact| (rank(&artifact.role), artifact.key.clone()));
        if artifacts.first().is_none_or(|main| main.plain_size == 0) {
            return Err(failed("the dump is empty"));
        }
        Ok((artifacts, facts))
    }

    async fn take_in(&self, mut pieces: mpsc::Receiver<Piece>, at_once: usize) -> Result<Vec<Artifact>> {
        let mut storing: FuturesUnordered<BoxFuture<'_, Result<Artifact>>> = FuturesUnordered::new();
        let (mut artifacts, mut failure, mut more) = (Vec::new(), None, true);
        while more || !storing.is_empty() {
            tokio::select! {
                piece = pieces.recv(), if more && storing.len() < at_once => match piece {
                    Some(piece) => storing.push(Box::pin(self.piece(piece))),
                    None => more = false,
                },
                Some(stored) = storing.next(), if !storing.is_empty() => match stored {
                    Ok(artifact) => artifacts.push(artifact),
                    Err(error) => {
                        self.gate.close();
                        failure.get_or_insert(error);
                    }
                },
            }
        }
        failure.map_or(Ok(artifacts), Err)
    }

    async fn hand_out(&self, mut dump: Box<dyn Dump>, send: mpsc::Sender<Piece>) -> Result<Box<dyn Dump>> {
        loop {
            let piece = tokio::select! {
                piece = dump.next() => piece?,
                closed = self.gate.closed() => return Err(closed),
            };
            let Some(piece) = piece else { return Ok(dump) };
            let piece = Piece { bytes: self.gate.lead(piece.bytes), ..piece };
            if send.send(piece).await.is_err() {
                return Err(failed("the storing broke off"));
            }
        }
    }

    async fn piece(&self, piece: Piece) -> Result<Artifact> {
        let encrypted = if self.encoding.recipients.key_ids().is_empty() { "" } else { ".gpg" };
        let ending = format!("{}{}{encrypted}", piece.ending, self.encoding.compression.extension());
        let key = Key::Artifact(self.asset.name.clone(), format!("{}{ending}", self.stem)).to_string();
        if !matches!(piece.role, Role::DirectoryFile(_)) {
            self.note(&key).await?;
        }
        let expected = piece.expected_size.unwrap_or(self.expected);
        store(&**self.env.vault.bucket(), &key, piece.role, piece.bytes, self.encoding, Some(expected), self.gauge).await
    }

    /// Notes a key before it is written, so that whoever follows can clear it. One that is taken is somebody else's.
    async fn note(&self, key: &str) -> Result<()> {
        if self.env.vault.bucket().head(key).await?.is_some() {
            return Err(taken(key));
        }
        self.lease.note([key.to_owned()]).await
    }

    /// Notes the folder of a directory dump: its files are too many to note one by one.
    async fn note_folder(&self) -> Result<()> {
        let folder = Key::Artifact(self.asset.name.clone(), format!("{}.dir/", self.stem)).to_string();
        if !self.env.vault.bucket().list(&folder, None).await?.objects.is_empty() {
            return Err(taken(&folder));
        }
        self.lease.note([folder]).await
    }

    /// Stores the digests of all artifacts beside the main one and returns their key.
    async fn sidecar(&self, artifacts: &[Artifact]) -> Result<String> {
        let main = artifacts.first().map(|artifact| artifact.key.as_str()).unwrap_or_default();
        let folder = Key::exports(&self.asset.name);
        let name = main.strip_prefix(&folder).unwrap_or(main);
        let name = name.split_once(".dir/").map_or(name.to_owned(), |(stem, _)| format!("{stem}.dir"));
        let key = Key::Digests(self.asset.name.clone(), name).to_string();
        self.note(&key).await?;
        self.env.vault.bucket().put(&key, digests(artifacts), If::Absent).await?;
        Ok(key)
    }
}

/// Whether an error only says that something else failed.
fn is_echo(error: &Error) -> bool {
    error.full().contains(&gate::closed().full())
}

fn taken(key: &str) -> Error {
    conflict(format!("{key} exists and is not of this run")).hint("nothing was touched: find out whose it is and move it away")
}

/// The main artifact comes first.
fn rank(role: &Role) -> u8 {
    match role {
        Role::Data => 0,
        Role::DirectoryFile(name) if name == "toc.dat" => 0,
        Role::DirectoryFile(_) => 1,
        Role::Tablespace(_) => 2,
        Role::Wal => 3,
        Role::BackupManifest => 4,
        Role::Globals => 5,
        Role::TableCsv(_) => 6,
    }
}

/// A private folder that is gone when the attempt is over.
struct Spool(PathBuf);

impl Spool {
    fn make(scratch: &Path, run: &Run) -> Result<Self> {
        let folder = scratch.join(format!("spool-{}", run.id));
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::from(error).during("emptying the spool")),
            Ok(()) | Err(_) => {}
        }
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).during("making a spool")?;
        Ok(Self(folder))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // The host wipes the scratch folder at its start as well.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
