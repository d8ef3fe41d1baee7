//! Cuts encoded bytes into parts for an upload, digesting them on the way.
//!
//! The task lends empty parts, the thread fills them: there are never more bytes in memory than were lent.

use super::digest::{Digester, Digests};
use bytes::{Bytes, BytesMut};
use std::io::{self, Write};
use tokio::sync::mpsc;

/// An empty part: room for exactly so many bytes.
pub(super) struct Empty {
    pub(super) size: usize,
    pub(super) buffer: BytesMut,
}

/// The thread's side: a writer that fills parts.
pub(super) struct Cutter {
    empty: mpsc::Receiver<Empty>,
    full: mpsc::Sender<Bytes>,
    part: Option<Empty>,
    sent: bool,
    digester: Digester,
}

impl Cutter {
    pub(super) fn new(empty: mpsc::Receiver<Empty>, full: mpsc::Sender<Bytes>) -> Self {
        Self { empty, full, part: None, sent: false, digester: Digester::new() }
    }

    fn part(&mut self) -> io::Result<Empty> {
        self.part.take().or_else(|| self.empty.blocking_recv()).ok_or_else(gone)
    }

    fn send(&mut self, part: Empty) -> io::Result<()> {
        self.sent = true;
        self.full.blocking_send(part.buffer.freeze()).map_err(|_| gone())
    }

    /// Sends what is left as the last part; an empty object is one empty part.
    pub(super) fn finish(mut self) -> io::Result<Digests> {
        match self.part.take() {
            Some(part) if !part.buffer.is_empty() => self.send(part)?,
            Some(_) | None if !self.sent => {
                self.part = None;
                let part = self.empty.blocking_recv().ok_or_else(gone)?;
                self.send(part)?;
            }
            Some(_) | None => {}
        }
        Ok(self.digester.finish())
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the upload is gone")
}

impl Write for Cutter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let mut part = self.part()?;
        let count = bytes.len().min(part.size - part.buffer.len());
        part.buffer.extend_from_slice(&bytes[..count]);
        self.digester.update(&bytes[..count]);
        if part.buffer.len() == part.size {
            self.send(part)?;
        } else {
            self.part = Some(part);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
