//! Bytes on their way out of a store: a transfer that breaks goes on at its offset, and only in the very same state of the
//! object. Its end is the object's end, or an error.

use super::{again::pause, whole::Whole};
use crate::{
    error::{Error, Kind, Result, corrupt, failed, retry},
    ports::ByteStream,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{io, ops::Range};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

/// How often a transfer may break without a byte of progress in between.
pub(super) const TRIES: u32 = 5;
/// Chunks read ahead while the reader is busy. A connection hands out up to 400 KiB at a time, so at most about 3 MiB.
const AHEAD: usize = 8;

/// Why a body broke off, in the words of whoever carried it.
pub(super) type Broken = Box<dyn std::error::Error + Send + Sync>;

/// An object in one state, any rest of which can be asked for.
#[async_trait]
pub(super) trait Source: Send + Sync + 'static {
    /// Its bytes as they come.
    type Body: Send + 'static;

    /// The object as errors name it.
    fn what(&self) -> &str;

    /// Opens what is still to come.
    async fn open(&self, rest: Range<u64>) -> Result<Opened<Self::Body>>;

    /// Returns the next bytes; none at the end.
    async fn next(body: &mut Self::Body) -> Result<Option<Bytes>, Broken>;

    /// Sees every byte once and in order. Where it refuses the last of them, the reader gets an error in their place.
    fn pass(&mut self, _: &Bytes, _last: bool) -> Result<()> {
        Ok(())
    }
}

/// What a store sends.
pub(super) struct Opened<B> {
    pub(super) body: B,
    /// How many bytes it says that it sends.
    pub(super) length: u64,
    /// Whether the object is in the state that was asked for: not every store heeds the condition.
    pub(super) same: bool,
}

/// Hands on `range` of an object, of which `body` is being sent.
pub(super) fn stream<S: Source>(source: S, body: S::Body, range: Range<u64>) -> ByteStream {
    let (what, left) = (source.what().to_owned(), range.end - range.start);
    let (send, receive) = mpsc::channel(AHEAD);
    tokio::spawn(Transfer { source, rest: range }.run(body, send));
    let chunks = futures::stream::unfold(receive, |mut receive| async move { receive.recv().await.map(|chunk| (chunk, receive)) });
    Box::pin(Whole { what, left, inner: StreamReader::new(Box::pin(chunks)) })
}

struct Transfer<S> {
    source: S,
    rest: Range<u64>,
}

impl<S: Source> Transfer<S> {
    /// Hands every chunk on, opening the rest anew when the connection breaks. Ends when nobody reads any more.
    async fn run(mut self, mut body: S::Body, send: mpsc::Sender<io::Result<Bytes>>) {
        let mut tries = 1;
        while !self.rest.is_empty() {
            let broken = match S::next(&mut body).await {
                Ok(Some(mut chunk)) => {
                    chunk.truncate(usize::try_from(self.rest.end - self.rest.start).unwrap_or(usize::MAX));
                    self.rest.start += chunk.len() as u64;
                    tries = 1;
                    let passed = self.source.pass(&chunk, self.rest.is_empty());
                    if send.send(passed.map(|()| chunk).map_err(io::Error::from)).await.is_err() {
                        return;
                    }
                    continue;
                }
                Ok(None) => retry(format!("reading {}: the connection ended early", self.source.what())),
                Err(error) => retry(format!("reading {}", self.source.what())).because(error),
            };
            let again = if tries == TRIES {
                Err(broken)
            } else {
                pause(tries).await;
                tries += 1;
                self.reopen().await
            };
            match again {
                Ok(again) => body = again,
                Err(error) => {
                    let _ = send.send(Err(error.into())).await;
                    return;
                }
            }
        }
    }

    /// Opens what is still to come, if it is still the same object.
    async fn reopen(&self) -> Result<S::Body, Error> {
        let what = self.source.what();
        let replaced = || corrupt(format!("{what} was replaced or removed while it was read"));
        match self.source.open(self.rest.clone()).await {
            Ok(opened) if !opened.same => Err(replaced()),
            Ok(opened) if opened.length == self.rest.end - self.rest.start => Ok(opened.body),
            Ok(_) => Err(failed(format!("reading {what}: the store does not go on where it was asked to"))),
            Err(error) if matches!(error.kind(), Kind::Conflict | Kind::NotFound) => Err(replaced()),
            Err(error) => Err(error),
        }
    }
}
