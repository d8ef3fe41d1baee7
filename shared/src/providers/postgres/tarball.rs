//! Looks over a tar that streams by and keeps the one small file in it that is wanted, without changing a byte.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, ReadBuf};

const BLOCK: usize = 512;
/// A backup manifest has some 150 bytes for each file of the cluster.
const MOST: u64 = 512 << 20;

/// What was kept of a tar, once the stream has ended.
pub(super) type Kept = Arc<Mutex<Option<Vec<u8>>>>;

/// A tar on its way through.
pub(super) struct Tap<R> {
    inner: R,
    wanted: &'static str,
    header: Vec<u8>,
    /// Bytes of the present file that are kept, and those of it and its padding that pass.
    keep: u64,
    pass: u64,
    buffer: Vec<u8>,
    found: bool,
    kept: Kept,
}

impl<R> Tap<R> {
    /// Lets a tar through and keeps the file named `wanted`.
    pub fn new(inner: R, wanted: &'static str) -> (Self, Kept) {
        let kept = Kept::default();
        let tap = Self {
            inner,
            wanted,
            header: Vec::with_capacity(BLOCK),
            keep: 0,
            pass: 0,
            buffer: Vec::new(),
            found: false,
            kept: kept.clone(),
        };
        (tap, kept)
    }

    fn look(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.keep > 0 || self.pass > 0 {
                let part = if self.keep > 0 { &mut self.keep } else { &mut self.pass };
                let count = usize::try_from(*part).unwrap_or(usize::MAX).min(bytes.len());
                *part -= count as u64;
                if self.found {
                    self.buffer.extend_from_slice(&bytes[..count]);
                    if self.keep == 0 {
                        self.found = false;
                        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::mem::take(&mut self.buffer));
                    }
                }
                bytes = &bytes[count..];
                continue;
            }
            let count = (BLOCK - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            if self.header.len() == BLOCK {
                self.entry()?;
                self.header.clear();
            }
        }
        Ok(())
    }

    fn entry(&mut self) -> io::Result<()> {
        if self.header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let size =
            size(&self.header[124..136]).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the tar has a damaged header"))?;
        // A link has no contents, whatever its header says.
        let size = if matches!(self.header[156], b'1'..=b'6') { 0 } else { size };
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        let name = self.header[..100].split(|byte| *byte == 0).next().unwrap_or_default();
        self.found = name == self.wanted.as_bytes() && size > 0 && size <= MOST;
        (self.keep, self.pass) = if self.found { (size, padding) } else { (0, size + padding) };
        Ok(())
    }
}

/// Reads a size: octal, or binary when its first bit is set.
fn size(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let value = field[1..].iter().try_fold(0_u64, |sum, byte| Some(sum.checked_mul(256)? + u64::from(*byte)))?;
        return (value < 1 << 60).then_some(value);
    }
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches(|c| c == ' ' || c == '\0'), 8).ok()
}

impl<R: AsyncRead + Unpin> AsyncRead for Tap<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        self.look(&buffer.filled()[before..])?;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    fn entry(name: &str, body: &[u8]) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..135].copy_from_slice(format!("{:011o}", body.len()).as_bytes());
        block[156] = b'0';
        block.extend_from_slice(body);
        block.resize(block.len().next_multiple_of(BLOCK), 0);
        block
    }

    #[tokio::test]
    async fn the_wanted_file_is_kept_and_every_byte_passes() {
        let mut tar = entry("base/1/1", &[7; 1300]);
        tar.extend(entry("backup_manifest", b"{\"is\": \"json\"}"));
        tar.extend([0; 1024]);
        for step in [1, 7, 512, 4096] {
            let (mut tap, kept) = Tap::new(tokio::io::BufReader::with_capacity(step, &tar[..]), "backup_manifest");
            let mut through = Vec::new();
            tap.read_to_end(&mut through).await.unwrap();
            assert_eq!(through, tar);
            assert_eq!(kept.lock().unwrap().as_deref(), Some(&b"{\"is\": \"json\"}"[..]));
        }
    }

    #[test]
    fn sizes_beyond_octal_are_read() {
        assert_eq!(size(b"00000000017\0"), Some(15));
        assert_eq!(size(&[0x80, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0]), Some(3 << 32));
        assert_eq!(size(&[0x80, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0]), None);
        assert_eq!(size(b"not a number"), None);
    }
}
