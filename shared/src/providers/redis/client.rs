//! What little we say to a server of our own: one command, one answer, over its socket.

use crate::{
    domain::backup::Keys,
    error::{During, Error, Kind, Result, failed, retry},
};
use std::{collections::BTreeMap, path::Path, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

/// A server that is not loading answers at once.
const PATIENCE: Duration = Duration::from_secs(10);
/// No answer that we read is longer.
const MOST: usize = 1 << 20;

/// Says one command and returns the text that is answered. A server that is still loading is busy.
pub(super) async fn say(socket: &Path, command: &str) -> Result<String> {
    tokio::time::timeout(PATIENCE, said(socket, command)).await.map_err(|_| retry("the throwaway server does not answer"))?
}

async fn said(socket: &Path, command: &str) -> Result<String> {
    let mut stream = UnixStream::connect(socket).await.map_err(|error| retry("the throwaway server is out of reach").because(error))?;
    stream.write_all(format!("{command}\r\n").as_bytes()).await.during("asking the throwaway server")?;
    let mut answer = BufReader::new(stream);
    let mut first = String::new();
    answer.read_line(&mut first).await.during("asking the throwaway server")?;
    let first = first.trim_end();
    if let Some(length) = first.strip_prefix('$') {
        let length: usize = length.parse().ok().filter(|length| *length <= MOST).ok_or_else(|| failed("the answer has no length"))?;
        let mut text = vec![0; length];
        answer.read_exact(&mut text).await.during("reading what the throwaway server answered")?;
        return Ok(String::from_utf8_lossy(&text).into_owned());
    }
    match first.strip_prefix('-') {
        Some(error) if error.starts_with("LOADING") => Err(Error::new(Kind::Busy, "the throwaway server is still loading")),
        Some(error) => Err(failed("the throwaway server refused").because(crate::redact::clip(error, 200))),
        None if first.is_empty() => Err(retry("the throwaway server ended")),
        None => Ok(first.trim_start_matches('+').to_owned()),
    }
}

/// How many keys each database of a server has; never empty.
pub(super) async fn keyspace(socket: &Path) -> Result<BTreeMap<u32, Keys>> {
    let mut all = BTreeMap::from([(0, Keys::default())]);
    for line in say(socket, "INFO keyspace").await?.lines() {
        all.extend(counted(line));
    }
    Ok(all)
}

/// `db0:keys=5,expires=1,avg_ttl=0`.
fn counted(line: &str) -> Option<(u32, Keys)> {
    let (database, counts) = line.trim().strip_prefix("db")?.split_once(':')?;
    let number = |name: &str| counts.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    Some((database.parse().ok()?, Keys { keys: number("keys")?, expiring: number("expires")? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_its_keys_is_read() {
        assert_eq!(counted("db3:keys=12,expires=4,avg_ttl=100\r"), Some((3, Keys { keys: 12, expiring: 4 })));
        assert_eq!(counted("# Keyspace"), None);
        assert_eq!(counted("db0:keys=x"), None);
    }
}
