//! An opened export on its way: line by line, each compared with its own digest, the whole with its record at the end.

use super::{Line, line::LONGEST_LINE};
use crate::{
    catalog::Vault,
    domain::backup::{Manifest, Method},
    env::Progress,
    error::{Error, Result, corrupt, unsupported},
    ports::ByteStream,
    stream::{Keys, open},
};
use std::collections::BTreeMap;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use zeroize::{Zeroize, Zeroizing};

/// The lines of an export.
pub(crate) struct Lines {
    reader: BufReader<ByteStream>,
    number: usize,
    /// Version by name, of every line so far.
    seen: BTreeMap<String, Option<String>>,
}

impl Lines {
    /// Opens the export of a backup. Whoever lacks its key is told which.
    pub(crate) async fn open(backup: &Manifest, vault: &Vault, keys: &Keys, progress: &dyn Progress) -> Result<Self> {
        if backup.method != Method::SecretsJsonl {
            return Err(unsupported(format!("backup {} is no export of secrets", backup.id)));
        }
        let artifact = backup.main().ok_or_else(|| unsupported("a backup without an artifact holds no secrets"))?;
        let gauge = progress.begin(&format!("reading {}", artifact.key), Some(artifact.size));
        Ok(Self::of(open(vault.bucket().clone(), artifact, keys, gauge.into()).await?))
    }

    /// The lines of what is open already.
    pub(crate) fn of(bytes: ByteStream) -> Self {
        Self { reader: BufReader::new(bytes), number: 0, seen: BTreeMap::new() }
    }

    /// Returns the next line, or none at the end, which comes only after all stored bytes were compared with their record.
    pub(crate) async fn next(&mut self) -> Result<Option<Line>> {
        let mut text = Zeroizing::new(Vec::with_capacity(4 << 10));
        self.number += 1;
        let most = LONGEST_LINE as u64 + 1;
        (&mut self.reader).take(most).read_until(b'\n', &mut text).await.map_err(Error::from)?;
        if text.is_empty() {
            return Ok(None);
        }
        let cut = || corrupt(format!("line {} of the export has no end", self.number)).hint("restore another backup or a copy");
        let line = Line::read(text.strip_suffix(b"\n").ok_or_else(cut)?, self.number)?;
        text.zeroize();
        if self.seen.insert(line.name.clone(), line.version.clone()).is_some() {
            return Err(corrupt(format!("line {} of the export is about a secret that had one already", self.number)));
        }
        Ok(Some(line))
    }
}

/// Reads an export to its end, comparing every value with its digest and keeping none, and returns version by name.
pub(crate) async fn checked(mut lines: Lines) -> Result<BTreeMap<String, Option<String>>> {
    while lines.next().await?.is_some() {}
    Ok(lines.seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::Kind,
        providers::secret_set::{Listed, Without, line::written},
    };

    fn lines(text: &[u8]) -> Lines {
        Lines::of(Box::pin(std::io::Cursor::new(text.to_vec())))
    }

    fn line(name: &str) -> Vec<u8> {
        written(&Listed { name: name.to_owned(), ..Listed::default() }, Err(Without::Disabled)).unwrap().to_vec()
    }

    #[tokio::test]
    async fn r44_every_line_is_read_and_one_that_is_cut_too_long_or_twice_there_is_refused() {
        let (a, b) = (line("a"), line("b"));
        let seen = checked(lines(&[a.as_slice(), &b].concat())).await.unwrap();
        assert_eq!(seen, [("a".to_owned(), None), ("b".to_owned(), None)].into());
        assert_eq!(checked(lines(b"")).await.unwrap().len(), 0);
        let whole = [a.as_slice(), &b].concat();
        for (text, words) in [
            (whole[..whole.len() - 1].to_vec(), "line 2 of the export has no end"),
            ([a.as_slice(), &a].concat(), "had one already"),
            (vec![b'x'; LONGEST_LINE + 2], "line 1 of the export has no end"),
            (b"\n".to_vec(), "line 1 of the export is no line of secrets"),
        ] {
            let error = checked(lines(&text)).await.unwrap_err();
            assert!(error.kind() == Kind::Corrupt && error.full().contains(words), "{}", error.full());
        }
    }
}
