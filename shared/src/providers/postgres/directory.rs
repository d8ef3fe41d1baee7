//! Directory dumps: `pg_dump -Fd -j`, each file handed out while it is still being written.
//!
//! The spool stays small whatever the size of the database: what has been read of a file is given back to the file system
//! at once, and when the readers fall behind, the whole dump is stopped until they have caught up. A file ends when the
//! kernel says that its writer closed it; that the dump as a whole succeeded is known when there are no more files.

use super::{child::Running, logical, preflight, snapshot::Snapshot, spool, tools::Found};
use crate::{
    domain::backup::Role,
    error::{During, Error, Kind, Result, failed},
    ports::{Ask, Piece},
};
use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags},
    io::Errno,
    process::Signal,
};
use std::{
    collections::HashMap,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::JoinHandle};

/// How often the spool is looked at: at 1 GB/s, 5 MB are written in between.
pub(super) const TICK: Duration = Duration::from_millis(5);
/// The most that waits in the spool to be read.
const MOST_UNREAD: u64 = 1 << 30;
/// How long a stopped dump waits for its readers.
const STALL: Duration = Duration::from_mins(5);

/// A directory dump under way. Dropping it kills it and empties its folder.
#[derive(Debug)]
pub(super) struct Directory {
    folder: PathBuf,
    files: mpsc::UnboundedReceiver<String>,
    progress: Progress,
    watch: JoinHandle<()>,
}

/// What the watcher and the readers know of each other.
pub(super) type Progress = Arc<Mutex<State>>;

/// How far the dump and its readers are.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Every file that is not yet read to its end.
    pub files: HashMap<String, File>,
    /// How it ended, once it has.
    pub over: Option<Result<(), (Kind, String)>>,
}

/// How far one file is.
#[derive(Debug, Default)]
pub(super) struct File {
    /// Whether its writer has closed it.
    pub closed: bool,
    /// The bytes that were written, as last seen.
    pub written: u64,
    /// The bytes that were read.
    pub read: u64,
}

impl State {
    fn unread(&self) -> u64 {
        self.files.values().map(|file| file.written.saturating_sub(file.read)).sum()
    }

    /// The failure of the dump, if it failed.
    pub fn failure(&self) -> Option<Error> {
        match &self.over {
            Some(Err((kind, reason))) => Some(Error::new(*kind, reason.clone())),
            Some(Ok(())) | None => None,
        }
    }
}

/// Returns what is known, whoever panicked.
pub(super) fn look(progress: &Progress) -> std::sync::MutexGuard<'_, State> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Directory {
    /// Starts the dump into a folder of its own inside the spool.
    pub fn begin(pg_dump: &Found, snapshot: &Snapshot, ask: &Ask) -> Result<Self> {
        let folder = ask.spool.join("directory");
        std::fs::DirBuilder::new().mode(0o700).create(&folder).during("making a spool folder")?;
        let events = watch(&folder).map_err(|errno| Error::from(std::io::Error::from(errno)).during("watching the spool"))?;
        let free = preflight::free_space(&folder)?;
        let room = Room { most_unread: MOST_UNREAD.min(free / 4), least_free: (64 << 20).min(free / 8), folder: folder.clone() };
        // With `--verbose` it keeps talking to us, and dies of it when we are gone.
        let program = logical::arguments(pg_dump, snapshot)
            .args(["-Fd", "-Z0", "--verbose"])
            .arg(format!("--jobs={}", ask.jobs.max(1)))
            .arg("--file")
            .arg(&folder);
        let (announce, files) = mpsc::unbounded_channel();
        let progress = Progress::default();
        let running = program.spawn()?;
        let watch = tokio::spawn(oversee(running, events, room, progress.clone(), announce));
        Ok(Self { folder, files, progress, watch })
    }

    /// Returns the next file, or none once the dump was seen to succeed and every file was handed out.
    pub async fn next(&mut self) -> Result<Option<Piece>> {
        if let Some(name) = self.files.recv().await {
            let bytes = spool::follow(self.folder.join(&name), name.clone(), self.progress.clone());
            let ending = format!(".dir/{name}");
            return Ok(Some(Piece { role: Role::DirectoryFile(name), ending, expected_size: None, bytes }));
        }
        let state = look(&self.progress);
        match (state.failure(), &state.over) {
            (Some(error), _) => Err(error),
            (None, Some(_)) => Ok(None),
            (None, None) => Err(failed("the watch over the dump broke off")),
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.watch.abort();
        // Whoever still follows a file must not wait for its end.
        look(&self.progress).over.get_or_insert(Err((Kind::Failed, "the export was given up".to_owned())));
        // The caller empties the whole spool as well.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn watch(folder: &Path) -> Result<OwnedFd, Errno> {
    let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    inotify::add_watch(&events, folder, WatchFlags::CREATE | WatchFlags::CLOSE_WRITE)?;
    Ok(events)
}

/// How much room the dump may take.
struct Room {
    folder: PathBuf,
    most_unread: u64,
    least_free: u64,
}

async fn oversee(mut running: Running, events: OwnedFd, room: Room, progress: Progress, announce: mpsc::UnboundedSender<String>) {
    let ended = tend(&mut running, &events, &room, &progress, &announce).await;
    look(&progress).over = Some(ended.map_err(|error| (error.kind(), error.full())));
}

async fn tend(
    running: &mut Running,
    events: &OwnedFd,
    room: &Room,
    progress: &Progress,
    announce: &mpsc::UnboundedSender<String>,
) -> Result<()> {
    let mut stopped: Option<(Instant, u64)> = None;
    loop {
        tokio::time::sleep(TICK).await;
        // Asked first, so that every event of a dump that has ended is seen below.
        let ended = running.ended()?.is_some();
        take_note(events, progress, announce)?;
        if ended {
            return running.finish().await;
        }
        let (unread, read) = {
            let mut state = look(progress);
            for (name, file) in state.files.iter_mut().filter(|(_, file)| !file.closed) {
                file.written = std::fs::metadata(room.folder.join(name)).map_or(file.written, |meta| meta.len());
            }
            (state.unread(), state.files.values().map(|file| file.read).sum::<u64>())
        };
        let short = preflight::free_space(&room.folder)? < room.least_free;
        match stopped {
            None if unread > room.most_unread || short => {
                running.signal(Signal::STOP);
                stopped = Some((Instant::now(), read));
            }
            Some(_) if unread <= room.most_unread / 2 && !short => {
                running.signal(Signal::CONT);
                stopped = None;
            }
            // The readers have caught up and there is still no room, or they no longer read.
            Some((since, then))
                if (unread == 0 && since.elapsed() > Duration::from_secs(1)) || (read == then && since.elapsed() > STALL) =>
            {
                return Err(Error::new(Kind::NoSpace, "no room is left in the spool of the directory dump")
                    .hint("make room there, or use format: custom, which needs no spool"));
            }
            Some((_, then)) if read != then => stopped = Some((Instant::now(), read)),
            None | Some(_) => {}
        }
    }
}

/// Takes note of every file that was begun or ended since the last time.
fn take_note(events: &OwnedFd, progress: &Progress, announce: &mpsc::UnboundedSender<String>) -> Result<()> {
    let mut buffer = [MaybeUninit::uninit(); 16 << 10];
    let mut reader = inotify::Reader::new(events, &mut buffer);
    loop {
        let event = match reader.next() {
            Ok(event) => event,
            Err(Errno::WOULDBLOCK) => return Ok(()),
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(Error::from(std::io::Error::from(errno)).during("watching the spool")),
        };
        if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
            return Err(failed("the watch over the spool lost count of its files"));
        }
        let Some(name) = event.file_name().and_then(|name| name.to_str().ok()).map(str::to_owned) else { continue };
        let mut state = look(progress);
        if event.events().contains(ReadFlags::CREATE) {
            state.files.insert(name.clone(), File::default());
            // Nobody listens any more: the export was given up and this task is about to be aborted.
            let _ = announce.send(name);
        } else if event.events().contains(ReadFlags::CLOSE_WRITE)
            && let Some(file) = state.files.get_mut(&name)
        {
            file.closed = true;
        }
    }
}
