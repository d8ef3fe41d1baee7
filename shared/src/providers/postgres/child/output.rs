//! The output of a child: its end comes only once the child was seen to succeed and what it wrote is whole.

use super::Running;
use crate::{
    error::{Result, failed},
    ports::ByteStream,
};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, ReadBuf};

const TAIL_KEPT: usize = 512;

/// How the output of a program proves by itself that it is whole, beyond the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// Nothing in it says so.
    ByStatus,
    /// It begins as an archive of `pg_dump` does.
    Archive,
    /// It ends with `pg_dump`'s trailer.
    Dump,
    /// It ends with `pg_dumpall`'s trailer.
    Cluster,
    /// It ends with the two zero blocks of a tar.
    Tar,
}

impl Whole {
    fn check(self, tool: &str, head: &[u8], tail: &[u8], count: u64) -> Result<()> {
        let contains = |trailer: &[u8]| tail.windows(trailer.len()).any(|window| window == trailer);
        let whole = match self {
            Self::ByStatus => true,
            Self::Archive => head.starts_with(b"PGDMP"),
            Self::Dump => contains(b"\n-- PostgreSQL database dump complete\n"),
            Self::Cluster => contains(b"\n-- PostgreSQL database cluster dump complete\n"),
            Self::Tar => count >= 1024 && count.is_multiple_of(512) && tail.len() == TAIL_KEPT && tail.iter().all(|byte| *byte == 0),
        };
        if whole { Ok(()) } else { Err(failed(format!("{tool} ended well, but its output of {count} bytes is not whole"))) }
    }
}

enum Phase {
    Reading(ByteStream, Box<Running>),
    Ending(Pin<Box<dyn Future<Output = Result<()>> + Send>>),
    Ended,
}

/// The output of a child whose end is the child's success.
pub(super) struct Output {
    phase: Phase,
    whole: Whole,
    head: Vec<u8>,
    tail: Vec<u8>,
    count: u64,
}

impl Output {
    pub(super) fn of(stdout: ByteStream, running: Running, whole: Whole) -> Self {
        Self { phase: Phase::Reading(stdout, Box::new(running)), whole, head: Vec::new(), tail: Vec::new(), count: 0 }
    }

    fn note(&mut self, bytes: &[u8]) {
        self.count += bytes.len() as u64;
        let missing = 5_usize.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..missing]);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_KEPT)..]);
        let surplus = self.tail.len().saturating_sub(TAIL_KEPT);
        self.tail.drain(..surplus);
    }
}

impl AsyncRead for Output {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        loop {
            match &mut self.phase {
                Phase::Reading(stdout, _) => {
                    let before = buffer.filled().len();
                    ready!(stdout.as_mut().poll_read(cx, buffer))?;
                    if buffer.filled().len() > before {
                        let bytes = &buffer.filled()[before..];
                        self.note(bytes);
                        return Poll::Ready(Ok(()));
                    }
                    if buffer.remaining() == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    let Phase::Reading(_, mut running) = std::mem::replace(&mut self.phase, Phase::Ended) else { continue };
                    let (whole, head, tail, count) =
                        (self.whole, std::mem::take(&mut self.head), std::mem::take(&mut self.tail), self.count);
                    self.phase = Phase::Ending(Box::pin(async move {
                        running.finish().await?;
                        whole.check(&running.name, &head, &tail, count)
                    }));
                }
                Phase::Ending(end) => {
                    let ended = ready!(end.as_mut().poll(cx));
                    self.phase = Phase::Ended;
                    return Poll::Ready(ended.map_err(std::io::Error::from));
                }
                Phase::Ended => return Poll::Ready(Ok(())),
            }
        }
    }
}
