//! Uploads to Cloud Storage in order: one request for what fits in a part, a resumable session for the rest. For buckets in
//! which no object may stand under another name on its way ([`super::way`]).
//!
//! A session takes bytes in their order, so parts that come early wait, in bounded memory, for those before them. It honours a
//! precondition when the object appears and leaves nothing behind: what a killed run leaves is a session, which holds nothing
//! that anybody sees or pays for, and which Google forgets after a week.
//!
//! The store may take fewer bytes of a part than were sent, and the reply to any request may be lost: then it is asked how
//! far it is, and the rest is sent again. The CRC32C of all bytes goes with the last request and is compared with what the
//! store says of the object.

use super::{
    bucket::Gcs,
    call::{Ask, Reply},
    object::{FIELDS, Object, checksum, checksum_of, written},
    refused::Refused,
    write,
};
use crate::{
    error::{Error, Kind, Result, conflict, corrupt, failed, invalid, retry},
    ports::{If, ObjectMeta, Upload},
    providers::{
        again::{mark, pause_as_told},
        parts::Parts,
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use crc_fast::Digest;
use reqwest::{Method, StatusCode};
use std::{
    collections::BTreeMap,
    sync::{Mutex as Quick, MutexGuard},
};
use tokio::sync::{Mutex, Notify};

/// A session takes multiples of 256 KiB, and each request costs it a moment.
const PART: usize = 16 << 20;
const QUANTUM: usize = 256 << 10;
/// Bytes of parts that wait for their turn.
const WAITING: usize = 64 << 20;
/// How often one request may fail without a byte of progress in between.
const TRIES: u32 = 7;
const PERMISSION: &str = "storage.objects.create";

/// One object on its way. Nothing is asked of Google before there is a whole part.
pub(super) struct InOrder {
    bucket: Gcs,
    key: String,
    full: String,
    mark: String,
    parts: Parts<String>,
    early: Quick<Early>,
    moved: Notify,
    session: Mutex<State>,
}

/// Parts whose turn has not come.
#[derive(Default)]
struct Early {
    parts: BTreeMap<u32, (u64, Bytes)>,
    bytes: usize,
    /// The part that is sent next.
    next: u32,
    /// A part that only the last can be.
    last: Option<u32>,
    /// Why nothing more can be sent.
    broken: Option<String>,
}

/// What the store holds so far.
struct State {
    address: Option<String>,
    end: u64,
    seen: Digest,
}

impl InOrder {
    pub(super) fn new(bucket: Gcs, key: String, full: String) -> Self {
        let session = State { address: None, end: 0, seen: checksum() };
        let (parts, early, moved) = (Parts::default(), Quick::default(), Notify::new());
        Self { bucket, key, full, mark: mark(), parts, early, moved, session: Mutex::new(session) }
    }

    fn early(&self) -> Result<MutexGuard<'_, Early>> {
        self.early.lock().map_err(|_| failed("another part of this upload ended in a panic"))
    }

    /// Keeps a part until its turn comes, once there is room. Says whether it was sent before.
    async fn keep(&self, number: u32, offset: u64, bytes: &Bytes) -> Result<bool> {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            {
                let mut early = self.early()?;
                if let Some(why) = &early.broken {
                    return Err(retry(format!("the upload of {} broke off: {why}", self.full)));
                }
                if number < early.next {
                    return Ok(true);
                }
                if early.last.is_some_and(|last| number > last) {
                    return Err(failed(format!("a part before part {number} of {} was too small not to be the last", self.full)));
                }
                if number == early.next || early.bytes + bytes.len() <= WAITING || early.parts.contains_key(&number) {
                    if bytes.len() < PART || !bytes.len().is_multiple_of(QUANTUM) {
                        early.last = Some(number);
                    }
                    early.bytes += bytes.len();
                    if let Some((_, former)) = early.parts.insert(number, (offset, bytes.clone())) {
                        early.bytes -= former.len();
                    }
                    return Ok(false);
                }
            }
            moved.await;
        }
    }

    /// Takes the next part out, if it is there and not the last.
    fn turn(&self) -> Result<Option<(u64, Bytes)>> {
        let mut early = self.early()?;
        let next = early.next;
        if early.last == Some(next) {
            return Ok(None);
        }
        let Some(part) = early.parts.remove(&next) else { return Ok(None) };
        early.bytes -= part.1.len();
        Ok(Some(part))
    }

    /// Sends every part whose turn has come.
    async fn drain(&self) -> Result<()> {
        let mut session = self.session.lock().await;
        while let Some((offset, bytes)) = self.turn()? {
            let sent = self.send(&mut session, offset, &bytes, None).await;
            let mut early = self.early()?;
            match sent {
                Ok(_) => {
                    session.seen.update(&bytes);
                    early.next += 1;
                }
                Err(error) => {
                    early.broken = Some(error.full());
                    drop(early);
                    self.moved.notify_waiters();
                    return Err(error);
                }
            }
            drop(early);
            self.moved.notify_waiters();
        }
        Ok(())
    }

    /// Returns the address of the session, which the first that asks begins.
    async fn begin(&self, session: &mut State) -> Result<String> {
        if let Some(address) = &session.address {
            return Ok(address.clone());
        }
        let description = write::description(&self.full, &self.mark, self.bucket.class());
        let ask = Ask::new(Method::POST, write::address(&self.bucket))
            .query("uploadType", "resumable")
            .query("ifGenerationMatch", "0")
            .query("fields", FIELDS)
            .json(&description);
        let begun = self.bucket.call().ask(&ask).await.map_err(|refused| refused.told(PERMISSION, &self.full))?;
        let address = begun.headers.get("location").and_then(|address| address.to_str().ok());
        let address = address.ok_or_else(|| failed(format!("the store gave the upload of {} no address", self.full)))?;
        if !self.bucket.call().is_ours(address) {
            return Err(failed(format!("the store sends the upload of {} elsewhere", self.full)));
        }
        Ok(session.address.insert(address.to_owned()).clone())
    }

    /// Sends bytes to where the session is, and to its end if `whole` says how long the object is and with which checksum.
    async fn send(&self, session: &mut State, offset: u64, bytes: &Bytes, whole: Option<(u64, &str)>) -> Result<Option<Object>> {
        let address = self.begin(session).await?;
        let end = offset + bytes.len() as u64;
        let told = |refused: Refused| refused.told(PERMISSION, &self.full);
        if session.end != offset {
            return Err(failed(format!("the upload of {} is at byte {} and not at {offset}", self.full, session.end)));
        }
        let mut tries = 1;
        loop {
            let rest = bytes.slice(usize::try_from(session.end - offset).unwrap_or(usize::MAX)..);
            let mut answered = self.bucket.call().once(&chunk(&address, session.end, rest, whole)).await;
            if let Err(refused) = &answered
                && (refused.passing() || refused.status() == 401)
                && tries < TRIES
            {
                if refused.status() == 401 {
                    self.bucket.call().renew().await;
                }
                pause_as_told(tries, refused.retry_after()).await;
                tries += 1;
                // What of it arrived, only the store knows. The question itself is asked patiently.
                answered = self.bucket.call().ask(&chunk(&address, u64::MAX, Bytes::new(), whole)).await;
            }
            let reply = answered.map_err(told)?;
            if reply.status != StatusCode::PERMANENT_REDIRECT {
                let Some(_) = whole else { return Err(failed(format!("the upload of {} ended early", self.full))) };
                return reply.json().map(Some).map_err(told);
            }
            let held = held(&reply)?;
            if held < session.end || held > end {
                return Err(retry(format!("the store holds {held} bytes of {} and not those that it took", self.full)));
            }
            if held > session.end {
                tries = 1;
            } else if tries == TRIES {
                return Err(retry(format!("the store takes no more bytes of {}", self.full)));
            } else if held < end || whole.is_some() {
                tries += 1;
            }
            session.end = held;
            if held == end && whole.is_none() {
                return Ok(None);
            }
        }
    }

    /// Ends the session with the last bytes.
    async fn finish(&self, last: &Bytes, size: u64) -> Result<Object> {
        let mut session = self.session.lock().await;
        let offset = session.end;
        let mut seen = session.seen;
        seen.update(last);
        let sum = written(seen.finalize());
        let object = self.send(&mut session, offset, last, Some((size, &sum))).await?;
        let object = object.ok_or_else(|| failed(format!("the upload of {} has no end", self.full)))?;
        if let Err(error) = object.is(size, &sum) {
            self.bucket.take_back(&self.full, &object.generation).await;
            return Err(error);
        }
        Ok(object)
    }

    /// Gives the session up.
    async fn give_up(&self) -> Result<()> {
        let Some(address) = self.session.lock().await.address.clone() else { return Ok(()) };
        match self.bucket.call().ask(&Ask::new(Method::DELETE, address)).await {
            // 499 is how the store says that the client ended it.
            Err(refused) if !matches!(refused.status(), 404 | 410 | 499) => Err(refused.told(PERMISSION, &self.full)),
            _ => Ok(()),
        }
    }
}

/// The request that sends `bytes` from `from` on; without bytes it asks how far the session is.
fn chunk(address: &str, from: u64, bytes: Bytes, whole: Option<(u64, &str)>) -> Ask {
    let total = whole.map_or_else(|| "*".to_owned(), |(size, _)| size.to_string());
    let range = match bytes.len() as u64 {
        0 => format!("bytes */{total}"),
        length => format!("bytes {from}-{}/{total}", from + length - 1),
    };
    let ask = Ask::new(Method::PUT, address).header("content-range", range).body(bytes);
    match whole {
        Some((_, sum)) => ask.header("x-goog-hash", format!("crc32c={sum}")),
        None => ask,
    }
}

/// How many bytes the session holds, by its `Range: bytes=0-N`.
fn held(reply: &Reply) -> Result<u64> {
    let Some(range) = reply.headers.get("range") else { return Ok(0) };
    let last = range.to_str().ok().and_then(|range| range.strip_prefix("bytes=0-")?.parse::<u64>().ok());
    last.map(|last| last + 1).ok_or_else(|| failed("the store does not say how far the upload is"))
}

#[async_trait]
impl Upload for InOrder {
    fn part_size(&self, _number: u32) -> usize {
        PART
    }

    async fn put_part(&self, number: u32, offset: u64, bytes: Bytes) -> Result<()> {
        let sum = checksum_of(&bytes);
        if self.keep(number, offset, &bytes).await? {
            return match self.parts.receipt(number)? {
                Some(former) if former == sum => Ok(()),
                _ => Err(invalid(format!("part {number} of {} is sent and cannot be changed", self.full))),
            };
        }
        self.parts.add(number, offset, bytes.len(), sum)?;
        self.drain().await.map_err(|error| error.during(format_args!("part {number}")))
    }

    async fn complete(self: Box<Self>, size: u64) -> Result<ObjectMeta> {
        if let Err(error) = self.parts.tiling(size) {
            let _ = self.give_up().await; // nobody sees or pays for what it leaves
            return Err(error.during(format_args!("completing {}", self.full)));
        }
        self.drain().await?;
        let (last, more) = {
            let mut early = self.early()?;
            let next = early.next;
            (early.parts.remove(&next).map(|(_, bytes)| bytes).unwrap_or_default(), !early.parts.is_empty())
        };
        if more {
            return Err(failed(format!("a part of {} was too small not to be the last", self.full)));
        }
        let begun = self.session.lock().await.address.is_some();
        if !begun {
            return write::whole(&self.bucket, &self.full, &last, &If::Absent, self.bucket.class()).await?.meta(&self.key);
        }
        let outcome = match self.finish(&last, size).await {
            Ok(object) => return object.meta(&self.key),
            Err(error) => error,
        };
        // Whatever the reply was: what stands there, of which size and by whose hand, decides.
        let outcome = match self.bucket.find(&self.full).await? {
            Some(found) if found.mark() == Some(&self.mark) && outcome.kind() != Kind::Corrupt => match found.size()? {
                stored if stored == size => return found.meta(&self.key),
                stored => corrupt(format!("{} has {stored} bytes after its upload, and should have {size}", self.full)),
            },
            Some(_) if outcome.kind() != Kind::Corrupt => conflict(format!("{} is already there", self.full)).because(outcome),
            _ => outcome,
        };
        if outcome.kind() != Kind::Retry {
            let _ = self.give_up().await; // nobody sees or pays for what it leaves
        }
        Err::<_, Error>(outcome)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.give_up().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: u64, length: usize, whole: Option<(u64, &str)>) -> String {
        let ask = chunk("http://x", from, Bytes::from(vec![0; length]), whole);
        ask.headers.into_iter().find(|(name, _)| *name == "content-range").unwrap().1
    }

    #[test]
    fn requests_say_which_bytes_they_carry() {
        assert_eq!(range(0, 10, None), "bytes 0-9/*");
        assert_eq!(range(256, 10, Some((266, "x"))), "bytes 256-265/266");
        assert_eq!(range(u64::MAX, 0, None), "bytes */*");
        assert_eq!(range(512, 0, Some((512, "x"))), "bytes */512");
    }

    #[test]
    fn what_the_store_holds_is_read_or_refused() {
        let reply = |range: Option<&str>| {
            let headers = range.map(|range| ("range".parse().unwrap(), range.parse().unwrap())).into_iter().collect();
            held(&Reply { status: StatusCode::PERMANENT_REDIRECT, headers, body: Bytes::new() })
        };
        assert_eq!((reply(None).unwrap(), reply(Some("bytes=0-262143")).unwrap()), (0, 262_144));
        for strange in ["bytes=1-2", "0-5", "bytes=0-x", "bytes=0--1"] {
            assert!(reply(Some(strange)).is_err(), "{strange}");
        }
    }
}
