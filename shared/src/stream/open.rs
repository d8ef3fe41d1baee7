//! From a bucket to the bytes as they were before they were compressed and encrypted.

use super::{
    Keys,
    decode::decode,
    fetch::fetch,
    pipe::{Item, Outlet, Tap, pipe},
};
use crate::{
    domain::{backup::Artifact, damage::Damage},
    env::Gauge,
    error::{Error, Result},
    ports::{Bucket, ByteStream},
};
use sha2::{Digest, Sha256};
use std::{
    io::{self, BufRead, Read},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::mpsc;

/// Chunks between reading and decoding.
const STORED_AHEAD: usize = 1;
/// Blocks between decoding and the reader.
const PLAIN_AHEAD: usize = 16;

/// Opens an artifact as it was before compression and encryption. The end of the stream comes only after every stored
/// byte was compared with the record; a difference is a read error of kind `Corrupt` that names object and offset. The
/// gauge counts stored bytes.
pub async fn open(bucket: Arc<dyn Bucket>, artifact: &Artifact, keys: &Keys, gauge: Arc<dyn Gauge>) -> Result<ByteStream> {
    keys.can_open(artifact)?;
    let (inlet, items) = pipe(STORED_AHEAD);
    let (plain, tap) = pipe(PLAIN_AHEAD);
    tokio::spawn({
        let artifact = artifact.clone();
        async move {
            let failure = match fetch(bucket.as_ref(), &artifact, &inlet, gauge.as_ref()).await {
                Ok(None) => return,
                Ok(Some(damage)) => damage.into(),
                Err(error) => error,
            };
            let _ = inlet.send(Err(failure)).await;
        }
    });
    let (artifact, keys) = (artifact.clone(), keys.clone());
    tokio::task::spawn_blocking(move || {
        let checked = Checked::new(items, &artifact);
        let state = checked.state.clone();
        let end = decode(checked, &artifact, &keys, &plain).and_then(|plain_size| state.settle(&artifact, plain_size));
        // What was wrong with the stored bytes explains whatever the decoder made of them.
        let end = end.map_err(|error| state.failure().unwrap_or(error));
        let _ = plain.blocking_send(end.map(|()| None));
    });
    Ok(Box::pin(Tap::new(tap)))
}

/// Stored bytes on their way to the decoder: digested, and the whole compared before the end is said.
#[derive(Debug)]
pub(super) struct Checked {
    outlet: Outlet,
    sha256: Sha256,
    state: State,
    artifact: Artifact,
}

/// What is known of the stored bytes while the decoder holds them.
#[derive(Debug, Clone, Default)]
pub(super) struct State(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    whole: bool,
    failure: Option<Error>,
}

impl Checked {
    fn new(items: mpsc::Receiver<Item>, artifact: &Artifact) -> Self {
        Self { outlet: Outlet::new(items), sha256: Sha256::new(), state: State::default(), artifact: artifact.clone() }
    }

    fn compare(&mut self) -> Result<()> {
        let found = hex::encode(self.sha256.clone().finalize());
        if self.outlet.position() == self.artifact.size && found == self.artifact.sha256 {
            self.state.with(|seen| seen.whole = true);
            return Ok(());
        }
        Err(Damage::Bytes { object: self.artifact.key.clone(), offset: None, length: self.artifact.size }.into())
    }
}

impl State {
    fn with<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn failure(&self) -> Option<Error> {
        self.with(|seen| seen.failure.take())
    }

    /// Keeps an error, and returns what a decoder is told instead: it could not carry it unchanged.
    fn fail(&self, error: Error) -> io::Error {
        self.with(|seen| seen.failure = Some(error));
        io::Error::other("the stored bytes are not as recorded")
    }

    /// Decides, after the decoder saw its end, whether that was the end of the stored bytes and of the right size.
    fn settle(&self, artifact: &Artifact, plain_size: u64) -> Result<()> {
        let refuse = |what: &str| crate::error::corrupt(format!("{}: {what}", artifact.key)).hint("restore another backup or a copy");
        if !self.with(|seen| seen.whole) {
            return Err(refuse("something follows after the end of the data"));
        }
        if plain_size != artifact.plain_size {
            return Err(refuse(&format!("it opens to {plain_size} bytes instead of {}", artifact.plain_size)));
        }
        Ok(())
    }
}

impl Read for Checked {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let block = self.fill_buf()?;
        let count = block.len().min(into.len());
        into[..count].copy_from_slice(&block[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Checked {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let ended = match self.outlet.fill_buf() {
            Ok(block) => block.is_empty(),
            Err(error) => return Err(self.state.fail(error.into())),
        };
        if ended && !self.state.with(|seen| seen.whole) {
            self.compare().map_err(|error| self.state.fail(error))?;
        }
        self.outlet.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        if let Ok(block) = self.outlet.fill_buf() {
            self.sha256.update(&block[..count]);
        }
        self.outlet.consume(count);
    }
}
