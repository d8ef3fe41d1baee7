//! Faults between a function and the world: refused calls, lost replies, bytes that differ, and death.
//!
//! Every fake that changes the world counts its side effects here, so that one number `k` means the same moment in a
//! whole story: "killed after the 17th side effect".

use crate::{
    clock::Timestamp,
    domain::{
        archive::{Haste, Readiness, StorageClass},
        place::Place,
        posture::BucketPosture,
    },
    error::{Error, Result, retry},
    ports::{Bucket, ByteStream, If, Listed, ObjectMeta, Upload, Version},
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    future::Future,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// Counts side effects, from 1, and makes some of them fail. Clones share the count.
#[derive(Debug, Clone)]
pub struct SideEffects(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    plan: Mutex<Plan>,
    dead: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Plan {
    names: Vec<String>,
    faults: BTreeMap<usize, Fault>,
    dies_after: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Before,
    After,
}

impl Default for SideEffects {
    fn default() -> Self {
        Self(Arc::new(Shared { plan: Mutex::default(), dead: watch::Sender::new(false) }))
    }
}

impl SideEffects {
    /// Lets the process die once `k` side effects took place: no later call of any fake, not even a read, ever returns.
    pub fn dying_after(k: usize) -> Self {
        let effects = Self::default();
        effects.plan().dies_after = Some(k);
        effects
    }

    /// Refuses the `n`-th side effect: it does not take place, the caller gets an error.
    #[must_use]
    pub fn refusing(self, n: usize) -> Self {
        self.plan().faults.insert(n, Fault::Before);
        self
    }

    /// Loses the reply to the `n`-th side effect: it takes place, the caller gets an error all the same.
    #[must_use]
    pub fn losing_reply(self, n: usize) -> Self {
        self.plan().faults.insert(n, Fault::After);
        self
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many side effects began so far.
    pub fn count(&self) -> usize {
        self.plan().names.len()
    }

    /// Returns what they were, for the message of a failing test.
    pub fn names(&self) -> Vec<String> {
        self.plan().names.clone()
    }

    /// Returns whether the process died.
    pub fn dead(&self) -> bool {
        *self.0.dead.borrow()
    }

    /// Does `work`, which changes the world, under the planned faults.
    pub async fn around<T>(&self, name: impl Into<String>, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.alive().await;
        let name = name.into();
        let fault = {
            let mut plan = self.plan();
            plan.names.push(name.clone());
            plan.faults.get(&plan.names.len()).copied()
        };
        match fault {
            Some(Fault::Before) => return Err(retry(format!("{name}: the request was lost"))),
            Some(Fault::After) => {
                work.await?;
                return Err(retry(format!("{name}: the reply was lost")));
            }
            None => {}
        }
        work.await
    }

    /// Returns while the process lives, and never once it died. Reads call it before they look.
    pub async fn alive(&self) {
        let dies = {
            let plan = self.plan();
            plan.dies_after.is_some_and(|k| plan.names.len() >= k)
        };
        if dies {
            self.0.dead.send_replace(true);
            std::future::pending::<()>().await;
        }
    }

    /// Runs `work` until it ends or the process dies; then drops it where it stands, as `kill -9` would, and returns none.
    pub async fn until_death<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut dead = self.0.dead.subscribe();
        tokio::select! {
            biased;
            done = work => Some(done),
            _ = dead.wait_for(|dead| *dead) => None,
        }
    }
}

/// What is wrong with the bytes that a bucket gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// One bit of the byte at this offset of the object is flipped.
    Flip(u64),
    /// The object seems to end here, without an error.
    Cut(u64),
    /// The connection breaks here, with an error.
    Break(u64),
}

/// A bucket behind faults: every change counts as a side effect, every read may be damaged.
#[derive(Debug, Clone)]
pub struct Faulty {
    inner: Arc<dyn Bucket>,
    effects: SideEffects,
    damages: Arc<Mutex<Vec<(String, Damage)>>>,
}

impl Faulty {
    /// Puts the faults that `effects` plans in front of a bucket.
    pub fn new(inner: Arc<dyn Bucket>, effects: SideEffects) -> Self {
        Self { inner, effects, damages: Arc::default() }
    }

    /// Damages whatever is read from keys that contain `part`, until [`Faulty::mend`].
    pub fn damage(&self, part: &str, damage: Damage) {
        self.damages.lock().unwrap_or_else(PoisonError::into_inner).push((part.to_owned(), damage));
    }

    /// Ends all damage.
    pub fn mend(&self) {
        self.damages.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn damage_of(&self, key: &str) -> Option<Damage> {
        self.damages.lock().unwrap_or_else(PoisonError::into_inner).iter().find(|(part, _)| key.contains(part)).map(|(_, damage)| *damage)
    }
}

#[async_trait]
impl Bucket for Faulty {
    fn place(&self) -> &Place {
        self.inner.place()
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.effects.alive().await;
        self.inner.head(key).await
    }

    async fn get(&self, key: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
        self.effects.alive().await;
        let Some((bytes, version)) = self.inner.get(key, most).await? else { return Ok(None) };
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = match self.damage_of(key) {
            None => bytes,
            Some(Damage::Flip(offset)) => {
                let mut damaged = bytes.to_vec();
                if let Some(byte) = damaged.get_mut(at(offset)) {
                    *byte ^= 1;
                }
                damaged.into()
            }
            Some(Damage::Cut(offset)) => bytes.slice(..at(offset).min(bytes.len())),
            Some(Damage::Break(_)) => return Err(retry(format!("{key}: the connection broke"))),
        };
        Ok(Some((bytes, version)))
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        use tokio::io::AsyncReadExt;
        self.effects.alive().await;
        let start = range.as_ref().map_or(0, |range| range.start);
        let end = range.as_ref().map_or(u64::MAX, |range| range.end);
        let inner = self.inner.read(key, range).await?;
        let Some(damage) = self.damage_of(key) else { return Ok(inner) };
        let (Damage::Flip(offset) | Damage::Cut(offset) | Damage::Break(offset)) = damage;
        if offset < start || offset >= end {
            return Ok(inner);
        }
        let intact = offset - start;
        match damage {
            Damage::Cut(_) => Ok(Box::pin(inner.take(intact))),
            Damage::Break(_) => {
                let broken: Error = retry(format!("{key}: the connection broke"));
                let end = futures::stream::iter([Err::<Bytes, _>(std::io::Error::from(broken))]);
                Ok(Box::pin(inner.take(intact).chain(tokio_util::io::StreamReader::new(end))))
            }
            Damage::Flip(_) => {
                let mut inner = inner;
                let mut head = Vec::new();
                (&mut inner).take(intact + 1).read_to_end(&mut head).await?;
                if head.len() as u64 == intact + 1 {
                    head.last_mut().into_iter().for_each(|byte| *byte ^= 1);
                }
                Ok(Box::pin(std::io::Cursor::new(head).chain(inner)))
            }
        }
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Version> {
        self.effects.around(format!("put {key}"), self.inner.put(key, bytes, condition)).await
    }

    async fn begin_upload(&self, key: &str, expected: Option<u64>) -> Result<Box<dyn Upload>> {
        let inner = self.effects.around(format!("begin upload {key}"), self.inner.begin_upload(key, expected)).await?;
        Ok(Box::new(FaultyUpload { inner, effects: self.effects.clone(), key: key.to_owned() }))
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listed> {
        self.effects.alive().await;
        self.inner.list(prefix, start_after).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.effects.around(format!("delete {key}"), self.inner.delete(key)).await
    }

    async fn copy_from(&self, from: &dyn Bucket, source_key: &str, key: &str) -> Result<Option<ObjectMeta>> {
        self.effects.around(format!("copy {key}"), self.inner.copy_from(from, source_key, key)).await
    }

    async fn readiness(&self, key: &str) -> Result<Option<Readiness>> {
        self.effects.alive().await;
        self.inner.readiness(key).await
    }

    async fn recall(&self, key: &str, haste: Haste) -> Result<()> {
        self.effects.around(format!("recall {key}"), self.inner.recall(key, haste)).await
    }

    async fn reclass(&self, key: &str, class: StorageClass) -> Result<()> {
        self.effects.around(format!("move {key} to {class}"), self.inner.reclass(key, class)).await
    }

    async fn space(&self) -> Result<Option<crate::domain::posture::Space>> {
        self.inner.space().await
    }

    async fn posture(&self) -> Result<Option<BucketPosture>> {
        self.effects.alive().await;
        self.inner.posture().await
    }

    async fn sweep_uploads(&self, now: Timestamp, older_than: Duration) -> Result<usize> {
        self.effects.around("sweep uploads", self.inner.sweep_uploads(now, older_than)).await
    }
}

struct FaultyUpload {
    inner: Box<dyn Upload>,
    effects: SideEffects,
    key: String,
}

#[async_trait]
impl Upload for FaultyUpload {
    fn part_size(&self, number: u32) -> usize {
        self.inner.part_size(number)
    }

    async fn put_part(&self, number: u32, offset: u64, bytes: Bytes) -> Result<()> {
        self.effects.around(format!("put part {number} of {}", self.key), self.inner.put_part(number, offset, bytes)).await
    }

    async fn complete(self: Box<Self>, size: u64) -> Result<ObjectMeta> {
        let Self { inner, effects, key } = *self;
        effects.around(format!("complete {key}"), inner.complete(size)).await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        let Self { inner, effects, key } = *self;
        effects.around(format!("abort {key}"), inner.abort()).await
    }
}
