//! Where a folder keeps its objects and its own things, and how something comes to be there for good.
//!
//! ```text
//! <root>/<key>                    an object, under its key
//! <root>/.lastgood/uploads/…      what is being written; an object appears by one rename out of here
//! <root>/.lastgood/locks/<xx>     held while an object is compared and replaced or deleted
//! ```
//!
//! Everything is private to its owner (0700, 0600). A name is there for good only once its folder was synced.

use crate::{
    clock::Timestamp,
    error::{Error, Result, conflict, failed, invalid, retry},
    ports::{ObjectMeta, RESERVED, Version, check_key},
};
use sha2::{Digest, Sha256};
use std::{
    fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::{NamedTempFile, TempPath};

/// Objects up to this size have the digest of their bytes as version, larger ones inode, time and size: records are
/// compared by what they say, and looking at a dump of 100 GB does not mean reading it.
const DIGESTED: u64 = 1 << 20;

/// A compare-and-swap holds its lock for two syncs; who waits longer than this waits for a stopped process.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(2);

/// A folder's layout. Every method here blocks.
#[derive(Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the path of an object. The one way from a key to a path.
    pub(super) fn object(&self, key: &str) -> Result<PathBuf> {
        check_key(key)?;
        if key.split('/').any(|segment| segment.len() > 255) {
            return Err(invalid(format!(
                "{:?} cannot be a file's name: a part of it has more than 255 bytes",
                crate::redact::clip(key, 80)
            )));
        }
        Ok(self.root.join(key))
    }

    /// Opens an object for reading; none where there is none. A link is none: what it points to is not ours.
    pub(super) fn open(&self, key: &str) -> Result<Option<(File, Metadata)>> {
        let flags = rustix::fs::OFlags::NOFOLLOW.union(rustix::fs::OFlags::CLOEXEC).bits().cast_signed();
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(self.object(key)?) {
            Ok(file) => file,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        Ok(metadata.is_file().then_some((file, metadata)))
    }

    /// Returns what is known of an object.
    pub(super) fn meta(&self, key: &str) -> Result<Option<ObjectMeta>> {
        let Some((file, metadata)) = self.open(key)? else { return Ok(None) };
        let version = if metadata.len() <= DIGESTED {
            let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
            file.take(DIGESTED + 1).read_to_end(&mut bytes)?;
            version_of(&bytes, &metadata)
        } else {
            version_of(&[], &metadata)
        };
        Ok(Some(ObjectMeta { key: key.to_owned(), size: metadata.len(), version, modified: modified(&metadata)? }))
    }

    /// Creates a private file among the uploads. Dropping it removes it; what a killed process leaves, the sweep does.
    pub(super) fn upload(&self) -> Result<NamedTempFile> {
        let folder = self.uploads();
        make_folder(&folder)?;
        Ok(tempfile::Builder::new().prefix("up-").suffix("").tempfile_in(folder)?)
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.root.join(RESERVED).join("uploads")
    }

    /// Makes a finished, synced upload appear under a key that must be free.
    pub(super) fn publish_new(&self, upload: TempPath, key: &str) -> Result<()> {
        let path = self.object(key)?;
        let folder = self.make_folder_of(&path, key)?;
        upload.persist_noclobber(&path).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => conflict(format!("{key} is already there")),
            _ => error.error.into(),
        })?;
        sync_folder(folder)
    }

    /// Makes a finished, synced upload replace an object, if that is still in the given state.
    pub(super) fn publish_over(&self, upload: TempPath, key: &str, expected: &Version) -> Result<()> {
        let path = self.object(key)?;
        let _lock = self.lock(key)?;
        if self.meta(key)?.is_none_or(|meta| meta.version != *expected) {
            return Err(conflict(format!("{key} is no longer what it was when it was read")));
        }
        upload.persist(&path).map_err(|error| error.error)?;
        sync_folder(path.parent().unwrap_or(&self.root))
    }

    /// Removes an object; one that is not there is a success.
    pub(super) fn delete(&self, key: &str) -> Result<()> {
        let path = self.object(key)?;
        if !self.root.is_dir() {
            return Ok(());
        }
        let _lock = self.lock(key)?;
        match std::fs::remove_file(&path) {
            Ok(()) => sync_folder(path.parent().unwrap_or(&self.root)),
            Err(error) if is_absence(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn make_folder_of<'a>(&self, path: &'a Path, key: &str) -> Result<&'a Path> {
        let folder = path.parent().ok_or_else(|| failed(format!("{key} has no folder")))?;
        make_folder(folder).map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                invalid(format!("{key} cannot be stored in {}: a file stands where it needs a folder", self.root.display()))
            }
            _ => error.into(),
        })?;
        Ok(folder)
    }

    /// Takes the lock that guards a key (and the few that share it), across processes; a process that dies lets go of it.
    fn lock(&self, key: &str) -> Result<File> {
        let folder = self.root.join(RESERVED).join("locks");
        make_folder(&folder)?;
        let path = folder.join(hex::encode(&Sha256::digest(key)[..1]));
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if waited < PATIENCE => {
                    std::thread::sleep(PAUSE);
                    waited += PAUSE;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(
                        retry(format!("{key} is locked by another process")).hint("look for a stopped process that works on this vault")
                    );
                }
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
    }
}

/// Returns the version of an object with these bytes; those of a large one are not looked at.
pub(super) fn version_of(bytes: &[u8], metadata: &Metadata) -> Version {
    if metadata.len() <= DIGESTED {
        return Version(format!("sha256:{}", hex::encode(Sha256::digest(bytes))));
    }
    Version(format!("file:{:x}-{:x}.{:x}-{:x}", metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
}

pub(super) fn modified(metadata: &Metadata) -> Result<Timestamp> {
    Timestamp::try_from(metadata.modified()?).map_err(|error| failed("a file has an impossible time").because(error))
}

/// Whether an error says that nothing is there: no such name, a file where a folder would be, or a link.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Says what a full disk means for the place.
pub(super) fn explain(error: Error, root: &Path) -> Error {
    if error.kind() == crate::error::Kind::NoSpace && error.advice().is_none() {
        return error.hint(format!("make room on the disk of {}; nothing of this object became visible", root.display()));
    }
    error
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let Some(parent) = folder.parent() else { return Err(io::ErrorKind::NotFound.into()) };
    make_folder(parent)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => File::open(parent)?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_folder(folder: &Path) -> Result<()> {
    Ok(File::open(folder)?.sync_all()?)
}
