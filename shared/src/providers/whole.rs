//! A reader that knows how much must come, so that an interrupted transfer never looks like the end of an object.

use crate::error::corrupt;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, ReadBuf};

/// Hands on what `inner` gives; an end before the last of `left` bytes is an error of kind `Corrupt`.
pub struct Whole<R> {
    /// What is being read.
    pub what: String,
    /// The bytes still to come.
    pub left: u64,
    /// Where they come from.
    pub inner: R,
}

impl<R: AsyncRead + Unpin> AsyncRead for Whole<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let read = (buf.filled().len() - before) as u64;
        if read == 0 && buf.remaining() > 0 && self.left > 0 {
            return Poll::Ready(Err(corrupt(format!("reading {}: it ended {} bytes early", self.what, self.left)).into()));
        }
        let Some(left) = self.left.checked_sub(read) else {
            buf.set_filled(before);
            return Poll::Ready(Err(corrupt(format!("reading {}: it has more bytes than it should", self.what)).into()));
        };
        self.left = left;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn an_early_end_is_an_error_and_not_an_end() {
        for (left, good) in [(5, true), (6, false), (4, false)] {
            let mut bytes = Vec::new();
            let read = Whole { what: "x".into(), left, inner: &b"12345"[..] }.read_to_end(&mut bytes).await;
            assert_eq!(read.is_ok(), good, "{left}");
            assert!(good || Error::from(read.unwrap_err()).kind() == Kind::Corrupt);
        }
    }
}
