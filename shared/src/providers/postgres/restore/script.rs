//! A plain dump on its way to `psql`, with every backslash command disarmed.
//!
//! `psql` itself is told to refuse them (`\restrict` with a key that nobody else knows) before the first byte of the dump.
//! The pair that `pg_dump` writes of its own is taken out, as it would be refused too. A script whose trailer is missing
//! was cut, at whatever place, and is not taken for a whole one.

use crate::{
    error::{Result, corrupt},
    ports::ByteStream,
    providers::postgres::scratch::fresh_password,
};
use bytes::{Buf, BytesMut};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, ReadBuf};

const HEAD: usize = 8 << 10;
const TAIL: usize = 1 << 10;
const TRAILER: &[u8] = b"-- PostgreSQL database dump complete";

/// Returns the dump as it may be given to `psql`.
pub fn fenced(dump: ByteStream) -> Result<impl AsyncRead + Unpin> {
    let key = fresh_password()?;
    Ok(Fenced { dump, key, own: None, held: BytesMut::new(), ready: BytesMut::new(), at: At::Head })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Head,
    Body,
    End,
}

struct Fenced {
    dump: ByteStream,
    key: String,
    /// The key of the dump's own pair.
    own: Option<Vec<u8>>,
    /// Read, and not yet handed on.
    held: BytesMut,
    /// To be handed on.
    ready: BytesMut,
    at: At,
}

impl Fenced {
    /// Opens the fence and takes out the dump's own, which stands in its header.
    fn begin(&mut self) {
        self.ready.extend_from_slice(format!("\\restrict {}\n", self.key).as_bytes());
        let header = self.held.len().min(HEAD);
        if let Some(found) = line(&self.held[..header], b"\\restrict ") {
            self.own = Some(self.held[found.start + b"\\restrict ".len()..found.end].trim_ascii().to_vec());
            let after = self.held.split_off(found.end);
            self.held.truncate(found.start);
            self.held.unsplit(after);
        }
        self.at = At::Body;
    }

    /// Takes out the end of the dump's own fence, demands its trailer and closes ours.
    fn finish(&mut self) -> Result<()> {
        if !self.held.windows(TRAILER.len()).any(|window| window == TRAILER) {
            return Err(corrupt("the dump has no trailer: it was cut").hint("choose another backup; this one is not whole"));
        }
        if let Some(own) = &self.own
            && let Some(found) = line(&self.held, b"\\unrestrict ")
            && self.held[found.start + b"\\unrestrict ".len()..found.end].trim_ascii() == own.as_slice()
        {
            let after = self.held.split_off(found.end);
            self.held.truncate(found.start);
            self.held.unsplit(after);
        }
        self.ready.unsplit(self.held.split());
        self.ready.extend_from_slice(format!("\n\\unrestrict {}\n", self.key).as_bytes());
        self.at = At::End;
        Ok(())
    }
}

/// Finds the first line that begins so; the range takes in its line break.
fn line(text: &[u8], begins: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = (0..text.len()).find(|at| (*at == 0 || text[at - 1] == b'\n') && text[*at..].starts_with(begins))?;
    let end = text[start..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |length| start + length + 1);
    Some(start..end)
}

impl AsyncRead for Fenced {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.ready.is_empty() {
                let count = this.ready.len().min(buffer.remaining());
                buffer.put_slice(&this.ready[..count]);
                this.ready.advance(count);
                return Poll::Ready(Ok(()));
            }
            if this.at == At::End {
                return Poll::Ready(Ok(()));
            }
            let mut space = vec![0; 256 << 10];
            let mut fresh = ReadBuf::new(&mut space);
            ready!(this.dump.as_mut().poll_read(cx, &mut fresh))?;
            let ended = fresh.filled().is_empty();
            this.held.extend_from_slice(fresh.filled());
            if this.at == At::Head && (ended || this.held.len() >= HEAD + TAIL) {
                this.begin();
            }
            if ended {
                this.finish()?;
            } else if this.at == At::Body && this.held.len() > TAIL {
                let free = this.held.len() - TAIL;
                let out = this.held.split_to(free);
                this.ready.unsplit(out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    async fn through(dump: &str) -> Result<String> {
        let mut text = String::new();
        fenced(Box::pin(std::io::Cursor::new(dump.to_owned().into_bytes())))?.read_to_string(&mut text).await?;
        Ok(text)
    }

    #[tokio::test]
    async fn the_dumps_own_fence_is_replaced_by_one_that_nobody_can_open() {
        let body = "select 1;\n".repeat(5_000);
        let dump = format!(
            "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n{body}\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n"
        );
        let text = through(&dump).await.unwrap();
        assert!(!text.contains("abc"));
        assert!(text.contains(&body));
        let key = text.strip_prefix("\\restrict ").unwrap().lines().next().unwrap().to_owned();
        assert_eq!(key.len(), 48);
        assert!(text.ends_with(&format!("\\unrestrict {key}\n")));
        assert_ne!(through(&dump).await.unwrap(), text, "the key is another one every time");
    }

    #[tokio::test]
    async fn a_fence_cannot_be_opened_from_within() {
        let dump = "\\restrict abc\nselect 1;\n\\unrestrict abc\n\\! id\n-- PostgreSQL database dump complete\n\\unrestrict abc\n";
        let text = through(dump).await.unwrap();
        let key = text.strip_prefix("\\restrict ").unwrap().lines().next().unwrap();
        assert_eq!(text.matches(&format!("\\unrestrict {key}")).count(), 1);
        assert!(text.find("\\! id").unwrap() < text.find(&format!("\\unrestrict {key}")).unwrap());
    }

    #[tokio::test]
    async fn r14_a_dump_cut_between_two_statements_is_not_taken_for_a_whole_one() {
        let error = through("-- PostgreSQL database dump\ncreate table t (id int);\n").await.unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Corrupt);
    }
}
