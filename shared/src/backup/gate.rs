//! Lets streams through until somebody closes the gate: then every one of them fails at once, and whoever stores it gives
//! its upload up in good order instead of being cut off.

use crate::{
    error::{Error, failed},
    ports::ByteStream,
};
use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A gate that is open until it is closed for good.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate(CancellationToken);

impl Gate {
    /// Closes it.
    pub fn close(&self) {
        self.0.cancel();
    }

    /// Returns once it is closed.
    pub async fn closed(&self) -> Error {
        self.0.cancelled().await;
        closed()
    }

    /// Leads a stream through it.
    pub fn lead(&self, inner: ByteStream) -> ByteStream {
        Box::pin(Led { inner: Some(inner), closed: Box::pin(self.0.clone().cancelled_owned()) })
    }
}

/// What a stream fails with that was led through a gate since closed.
pub(super) fn closed() -> Error {
    failed("another part of the backup failed")
}

struct Led {
    inner: Option<ByteStream>,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl AsyncRead for Led {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.closed.as_mut().poll(cx).is_ready() {
            self.inner = None;
        }
        match &mut self.inner {
            Some(inner) => inner.as_mut().poll_read(cx, buffer),
            None => Poll::Ready(Err(closed().into())),
        }
    }
}
