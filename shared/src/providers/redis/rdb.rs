//! An RDB file on its way: every byte passes, and the whole is walked from its magic number to its checksum. A file that is cut
//! short, damaged, or of a kind that nobody here knows never looks like the end of a good one.
//!
//! Values are stepped over, not read: what is kept is how many keys each database has. Constant memory, however large a value.

mod step;

use crate::{
    clock::Timestamp,
    domain::backup::Keys,
    error::{Error, Result, corrupt},
    ports::ByteStream,
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker, ready},
};
use step::{Fed, walk};
use tokio::io::{AsyncRead, ReadBuf};

/// What a whole RDB file says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rdb {
    /// The version of its format.
    pub(crate) version: u32,
    /// The version of the server that wrote it: `7.2.4`.
    pub(crate) server: Option<String>,
    /// When the server began to write it.
    pub(crate) moment: Option<Timestamp>,
    /// What each database held; never empty.
    pub(crate) keyspace: BTreeMap<u32, Keys>,
    /// Whether it has a checksum, which was compared; a server may be told to write none.
    pub(crate) summed: bool,
}

/// Walks a file that comes in pieces.
struct Walker {
    fed: Fed,
    walk: Pin<Box<dyn Future<Output = Result<Rdb>> + Send>>,
    found: Option<Rdb>,
}

impl Walker {
    fn new() -> Self {
        let fed = Fed::default();
        let walk = Box::pin(walk(fed.clone()));
        Self { fed, walk, found: None }
    }

    /// Walks on over a piece.
    fn push(&mut self, piece: Bytes) -> Result<()> {
        self.fed.give(piece);
        if self.found.is_none()
            && let Poll::Ready(done) = self.walk.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            self.found = Some(done?);
        }
        match (&self.found, self.fed.left()) {
            (Some(_), left) if left > 0 => Err(corrupt("something follows after the end of the RDB file")),
            _ => Ok(()),
        }
    }

    /// What was found once the last piece has come.
    fn end(&mut self) -> Result<Rdb> {
        let cut = || corrupt(format!("the RDB file ends in the middle, after {} bytes", self.fed.at()));
        self.found.clone().ok_or_else(cut)
    }
}

/// Lets an RDB file through; its end comes only where the file is whole. What it says of itself is in the second then.
pub(crate) fn watched(inner: ByteStream) -> (ByteStream, Arc<Mutex<Option<Rdb>>>) {
    let found = Arc::new(Mutex::new(None));
    (Box::pin(Watched { inner, walker: Walker::new(), found: found.clone() }), found)
}

struct Watched {
    inner: ByteStream,
    walker: Walker,
    found: Arc<Mutex<Option<Rdb>>>,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        if into.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        ready!(self.inner.as_mut().poll_read(context, into))?;
        let came = &into.filled()[before..];
        let walked = if came.is_empty() {
            self.walker.end().map(|rdb| *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(rdb))
        } else {
            self.walker.push(Bytes::copy_from_slice(came))
        };
        Poll::Ready(walked.map_err(|error: Error| error.into()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crc_fast::{CrcAlgorithm, checksum};

    /// A file with some of everything, as Redis writes it.
    pub(crate) fn sample() -> Vec<u8> {
        let mut file = b"REDIS0011".to_vec();
        file.extend(b"\xfa\x09redis-ver\x057.2.4");
        file.extend(b"\xfa\x05ctime\xc2");
        file.extend(1_795_147_200_u32.to_le_bytes()); // 2026-11-20T04:00:00Z
        file.extend(b"\xf5\x05hello"); // a function
        file.extend(b"\xfe\x00\xfb\x05\x01");
        file.extend(b"\x00\x01a\x01b"); // a string
        file.extend(b"\xfc\0\0\0\0\0\0\0\0\x00\x01c\xc0\x05"); // one that expires, and is a number
        file.extend(b"\x12\x01l\x01\x02\x03abc"); // a list of one node
        file.extend(b"\x05\x01z\x01\x01m\0\0\0\0\0\0\xf0\x3f"); // a sorted set
        file.extend(b"\xf8\x03\x00\x01y\xc3\x02\x05ab"); // compressed, and long idle
        file.extend(b"\xfe\x03\xfb\x01\x00\x10\x01h\x04\x01\x02\x03\x04"); // another database, a hash
        end(file)
    }

    fn end(mut file: Vec<u8>) -> Vec<u8> {
        file.push(0xff);
        let sum = checksum(CrcAlgorithm::Crc64Redis, &file);
        file.extend(sum.to_le_bytes());
        file
    }

    fn walked(file: &[u8], pieces: usize) -> Result<Rdb> {
        let mut walker = Walker::new();
        for piece in file.chunks(pieces) {
            walker.push(Bytes::copy_from_slice(piece))?;
        }
        walker.end()
    }

    #[test]
    fn keys_are_counted_however_the_file_comes() {
        for pieces in [1, 2, 3, 7, 1 << 20] {
            let rdb = walked(&sample(), pieces).unwrap();
            assert_eq!((rdb.version, rdb.server.as_deref(), rdb.summed), (11, Some("7.2.4"), true));
            assert_eq!(rdb.moment.unwrap().to_string(), "2026-11-20T04:00:00Z");
            let counted: Vec<_> = rdb.keyspace.iter().map(|(db, keys)| (*db, keys.keys, keys.expiring)).collect();
            assert_eq!(counted, [(0, 5, 1), (3, 1, 0)]);
        }
        let empty = walked(&end(b"REDIS0009".to_vec()), 5).unwrap();
        assert_eq!(empty.keyspace[&0], Keys::default(), "an empty cache is one of no keys, not one that nobody counted");
    }

    #[test]
    fn r43_a_file_that_is_cut_anywhere_or_has_a_bit_flipped_anywhere_is_never_good() {
        let file = sample();
        for cut in 0..file.len() {
            assert!(walked(&file[..cut], 64).is_err(), "cut after {cut} bytes");
        }
        for at in 0..file.len() {
            for bit in [1, 0x80] {
                let mut damaged = file.clone();
                damaged[at] ^= bit;
                assert!(walked(&damaged, 64).is_err(), "bit {bit:#x} of byte {at}");
            }
        }
        let longer = [file.as_slice(), b"x"].concat();
        assert!(walked(&longer, 64).unwrap_err().to_string().contains("something follows"));
    }

    #[test]
    fn a_file_without_a_checksum_says_so_and_one_of_another_kind_is_refused() {
        let mut file = sample();
        let at = file.len() - 8;
        file[at..].fill(0);
        assert!(!walked(&file, 64).unwrap().summed);
        for (file, word) in
            [(&b"{\"not\": \"an RDB\"}"[..], "no RDB file"), (b"REDIS9999\xff", "newer"), (b"REDIS0011\xf3\x01", "not known")]
        {
            let error = walked(file, 64).unwrap_err();
            assert!(error.full().contains(word), "{}", error.full());
        }
    }

    #[test]
    fn streams_and_modules_are_stepped_over_whole() {
        let mut file = b"REDIS0011\xfe\x00".to_vec();
        // A stream of version 3: one listpack, a group with a pending entry and a consumer.
        file.extend(b"\x15\x01s\x01\x10");
        file.extend([0; 16]);
        file.extend(b"\x03lpk\x01\x05\x00\x01\x00\x02\x00\x01\x01\x01g\x05\x00\x01\x01");
        file.extend([0; 16]);
        file.extend([0; 8]);
        file.extend(b"\x01\x01\x01c");
        file.extend([0; 16]);
        file.extend(b"\x01");
        file.extend([0; 16]);
        // A module's value: a number, a double and a string, then its end.
        file.extend(b"\x07\x01m\x81\0\0\0\0\0\0\0\x09\x02\x05\x04");
        file.extend([0; 8]);
        file.extend(b"\x05\x02hi\x00");
        let rdb = walked(&end(file), 3).unwrap();
        assert_eq!(rdb.keyspace[&0].keys, 2);
    }
}
