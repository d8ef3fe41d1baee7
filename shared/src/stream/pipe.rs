//! Bytes between a task and a thread, in both directions, a bounded number of blocks at a time.
//!
//! The end is said, never inferred: when one side is dropped in the middle the other side gets an error, so that a
//! cancelled task or a panicked thread never looks like the end of the data.

use crate::error::Error;
use bytes::{Buf, Bytes};
use std::{
    io::{self, BufRead, Read},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::mpsc,
};

/// The bytes of one block in a pipe.
pub(super) const BLOCK: usize = 256 << 10;

/// What travels: bytes, the end (none), or why there will be no end.
pub(super) type Item = Result<Option<Bytes>, Error>;

/// Makes a pipe that holds at most `blocks` blocks.
pub(super) fn pipe(blocks: usize) -> (mpsc::Sender<Item>, mpsc::Receiver<Item>) {
    mpsc::channel(blocks)
}

fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the other end of the pipe is gone")
}

/// The thread's end of a pipe that a task fills.
#[derive(Debug)]
pub(super) struct Outlet {
    items: mpsc::Receiver<Item>,
    block: Bytes,
    ended: bool,
    bytes: u64,
}

impl Outlet {
    pub(super) fn new(items: mpsc::Receiver<Item>) -> Self {
        Self { items, block: Bytes::new(), ended: false, bytes: 0 }
    }

    /// The bytes that were read so far.
    pub(super) fn position(&self) -> u64 {
        self.bytes
    }
}

impl Read for Outlet {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let block = self.fill_buf()?;
        let count = block.len().min(into.len());
        into[..count].copy_from_slice(&block[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Outlet {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.block.is_empty() && !self.ended {
            match self.items.blocking_recv() {
                Some(Ok(Some(block))) => self.block = block,
                Some(Ok(None)) => self.ended = true,
                Some(Err(error)) => return Err(error.into()),
                None => return Err(cut_short()),
            }
        }
        Ok(&self.block)
    }

    fn consume(&mut self, count: usize) {
        self.block.advance(count);
        self.bytes += count as u64;
    }
}

/// The task's end of a pipe that a thread fills.
#[derive(Debug)]
pub(super) struct Tap {
    items: mpsc::Receiver<Item>,
    block: Bytes,
    ended: bool,
}

impl Tap {
    pub(super) fn new(items: mpsc::Receiver<Item>) -> Self {
        Self { items, block: Bytes::new(), ended: false }
    }
}

impl AsyncRead for Tap {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.block.is_empty() && !self.ended {
            match ready!(self.items.poll_recv(context)) {
                Some(Ok(Some(block))) => self.block = block,
                Some(Ok(None)) => self.ended = true,
                Some(Err(error)) => return Poll::Ready(Err(error.into())),
                None => return Poll::Ready(Err(cut_short())),
            }
        }
        let count = self.block.len().min(into.remaining());
        into.put_slice(&self.block.split_to(count));
        Poll::Ready(Ok(()))
    }
}
