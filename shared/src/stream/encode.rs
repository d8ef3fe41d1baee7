//! Compresses and encrypts, on a thread of its own: what comes out opens with `zstd -d`, `gunzip` and `gpg --decrypt`.

use super::{Encoding, pipe::BLOCK};
use crate::{
    domain::backup::Compression,
    error::{Result, invalid},
};
use flate2::bufread::GzEncoder;
use std::{
    io::{self, BufRead, Read, Write},
    num::NonZero,
    thread::available_parallelism,
};

const ZSTD_LEVEL: i32 = 1;
const GZIP_LEVEL: u32 = 6;

impl Encoding {
    /// Refuses a level that the compression does not have.
    pub(super) fn check(&self) -> Result<()> {
        let (name, levels) = match self.compression {
            Compression::Zstd => ("zstd", 1..=19),
            Compression::Gzip => ("gzip", 1..=9),
            Compression::None => return Ok(()),
        };
        match self.level {
            Some(level) if !levels.contains(&level) => {
                Err(invalid(format!("{name} has no level {level}")).hint(format!("choose {} to {}", levels.start(), levels.end())))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Encodes everything that `source` has into `sink`.
pub(super) fn encode(source: &mut (impl BufRead + Send), encoding: &Encoding, sink: &mut impl Write) -> Result<()> {
    match encoding.compression {
        Compression::Zstd => {
            let mut zstd = zstd::stream::read::Encoder::with_buffer(source, encoding.level.unwrap_or(ZSTD_LEVEL))?;
            zstd.multithread(workers(encoding.at_once))?;
            zstd.include_checksum(true)?;
            encrypt(zstd, encoding, sink)
        }
        Compression::Gzip => {
            let level = encoding.level.and_then(|level| u32::try_from(level).ok()).unwrap_or(GZIP_LEVEL);
            encrypt(GzEncoder::new(source, flate2::Compression::new(level)), encoding, sink)
        }
        Compression::None => encrypt(source, encoding, sink),
    }
}

/// How many threads a stream is compressed on beside its own: its share of the cores, and none where it is one of several
/// whose share is not more than one: its own thread then does it, in less memory.
fn workers(at_once: usize) -> u32 {
    let share = available_parallelism().map_or(1, NonZero::get) / at_once.max(1);
    if at_once > 1 && share <= 1 { 0 } else { u32::try_from(share).unwrap_or(1) }
}

fn encrypt(source: impl Read, encoding: &Encoding, sink: &mut impl Write) -> Result<()> {
    if encoding.recipients.is_empty() { Ok(drain(source, sink)?) } else { encoding.recipients.encrypt(source, sink) }
}

/// Moves everything from a reader to a writer, in large steps.
pub(super) fn drain(mut source: impl Read, sink: &mut impl Write) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        match source.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(count) => sink.write_all(&block[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
