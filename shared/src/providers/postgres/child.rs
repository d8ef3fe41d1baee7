//! Our own child processes: the programs of Postgres, started without a shell and never left behind.
//!
//! A child gets a list of arguments and an environment of our making, nothing of ours. It leads a process group of its own
//! that dies with us; what it says on stderr is bounded and redacted. Bytes on its stdout count only once it was seen to
//! end well *and* they are whole by themselves: see [`Whole`].

use super::{said, url::PgUrl};
use crate::{
    error::{Error, Kind, Result, failed},
    ports::ByteStream,
};
use bytes::Bytes;
use std::{
    ffi::{OsStr, OsString},
    future::Future,
    io::Read,
    path::{Path, PathBuf},
    pin::Pin,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, ReadBuf},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::io::StreamReader;

const STDERR_KEPT: usize = 64 << 10;
const STDOUT_KEPT: u64 = 4 << 20;
const TAIL_KEPT: usize = 512;
/// What is read of a child before it is handed on.
const CHUNK: usize = 256 << 10;
/// A read of less than this found the pipe all but empty.
const SMALL: usize = 64 << 10;
/// How long a pipe is left to fill: at 500 MB/s it then holds 100 KiB, a tenth of what fits.
const MOMENT: Duration = Duration::from_micros(200);
/// The size of the pipe to a child that we ask for: what Linux grants without a privilege.
const PIPE: usize = 1 << 20;

/// How the output of a program proves by itself that it is whole, beyond the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// Nothing in it says so.
    ByStatus,
    /// It begins as an archive of `pg_dump` does.
    Archive,
    /// It ends with `pg_dump`'s trailer.
    Dump,
    /// It ends with `pg_dumpall`'s trailer.
    Cluster,
    /// It ends with the two zero blocks of a tar.
    Tar,
}

impl Whole {
    fn check(self, tool: &str, head: &[u8], tail: &[u8], count: u64) -> Result<()> {
        let contains = |trailer: &[u8]| tail.windows(trailer.len()).any(|window| window == trailer);
        let whole = match self {
            Self::ByStatus => true,
            Self::Archive => head.starts_with(b"PGDMP"),
            Self::Dump => contains(b"\n-- PostgreSQL database dump complete\n"),
            Self::Cluster => contains(b"\n-- PostgreSQL database cluster dump complete\n"),
            Self::Tar => count >= 1024 && count.is_multiple_of(512) && tail.len() == TAIL_KEPT && tail.iter().all(|byte| *byte == 0),
        };
        if whole { Ok(()) } else { Err(failed(format!("{tool} ended well, but its output of {count} bytes is not whole"))) }
    }
}

/// A program with its arguments, not yet started.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    args: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    account: Option<(u32, u32)>,
    folder: Option<PathBuf>,
    limit: Option<Duration>,
}

impl Program {
    /// A program by its absolute path.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), args: Vec::new(), environment: Vec::new(), account: None, folder: None, limit: None }
    }

    /// Adds an argument. Every user of the machine can read it: never a secret.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Tells it where and as whom to connect, by environment only.
    #[must_use]
    pub fn connected_to(mut self, url: &PgUrl) -> Self {
        self.environment.extend(url.environment().into_iter().map(|(name, value)| (name.into(), value)));
        self
    }

    /// Makes a program that takes `--dbname` notice within three minutes when its server is silently gone: libpq has no
    /// environment variables for that. Everything else still comes from the environment.
    #[must_use]
    pub fn watchful(self) -> Self {
        self.arg("--dbname=keepalives_idle=60 keepalives_interval=15 keepalives_count=8")
    }

    /// Runs it under another account, uid and gid, which only root can.
    #[must_use]
    pub fn account(mut self, account: Option<(u32, u32)>) -> Self {
        self.account = account;
        self
    }

    /// Runs it in a folder.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Kills it, as a failure, when [`Self::run`] takes longer.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    fn name(&self) -> String {
        self.path.file_name().map_or_else(|| "the program".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    fn start(&self, stdin: Stdio) -> Result<Running> {
        let mut command = Command::new(&self.path);
        command.args(&self.args).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder.as_deref().unwrap_or(Path::new("/")));
        if let Some((uid, gid)) = self.account {
            command.uid(uid).gid(gid);
        }
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| Error::from(error).during(format!("starting {}", self.name())))?;
        let said = Arc::new(Mutex::new(Vec::new()));
        let listener = child.stderr.take().map(|stderr| tokio::spawn(listen(stderr, said.clone())));
        Ok(Running { name: self.name(), group: child.id(), child, said, listener })
    }

    /// Runs it to its end and returns what it printed, at most 4 MiB.
    pub async fn run(&self) -> Result<String> {
        let mut running = self.start(Stdio::null())?;
        let mut printed = Vec::new();
        let work = async {
            if let Some(stdout) = running.child.stdout.take() {
                stdout.take(STDOUT_KEPT).read_to_end(&mut printed).await?;
            }
            running.finish().await
        };
        match self.limit {
            None => work.await?,
            Some(limit) => tokio::time::timeout(limit, work)
                .await
                .map_err(|_| failed(format!("{} did not end within {} s", self.name(), limit.as_secs())))??,
        }
        Ok(String::from_utf8_lossy(&printed).into_owned())
    }

    /// Starts it and returns its output. The end of the stream comes only after it was seen to succeed and its output is
    /// whole; dropping the stream kills it.
    pub fn stream(&self, whole: Whole) -> Result<ByteStream> {
        let mut running = self.start(Stdio::null())?;
        let stdout = running.child.stdout.take().ok_or_else(|| failed("the child has no output"))?;
        Ok(Box::pin(Output {
            phase: Phase::Reading(pumped(stdout)?, Box::new(running)),
            whole,
            head: Vec::new(),
            tail: Vec::new(),
            count: 0,
        }))
    }

    /// Starts it with its input open: write to the one, drop it, then finish the other. What it prints is discarded.
    pub fn feed(&self) -> Result<(ChildStdin, Running)> {
        let mut running = self.start(Stdio::piped())?;
        if let Some(mut stdout) = running.child.stdout.take() {
            tokio::spawn(async move { tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await });
        }
        let stdin = running.child.stdin.take().ok_or_else(|| failed("the child has no input"))?;
        Ok((stdin, running))
    }

    /// Starts it and lets it run. What it prints is discarded.
    pub fn spawn(&self) -> Result<Running> {
        let mut running = self.start(Stdio::null())?;
        if let Some(mut stdout) = running.child.stdout.take() {
            tokio::spawn(async move { tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await });
        }
        Ok(running)
    }
}

/// A started program. Dropping it kills its whole process group.
#[derive(Debug)]
pub struct Running {
    name: String,
    group: Option<u32>,
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
    listener: Option<JoinHandle<()>>,
}

impl Running {
    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it has said on stderr so far, as it said it: may quote data.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Sends its process group a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let group = self.group.and_then(|group| i32::try_from(group).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            // It may have ended by itself in the meantime.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    /// Returns how it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end. Anything but success is an error that says why, redacted.
    pub async fn finish(&mut self) -> Result<()> {
        let status = self.child.wait().await?;
        if let Some(listener) = self.listener.take() {
            // A grandchild may hold stderr open; what was said until then is enough.
            let _ = tokio::time::timeout(Duration::from_secs(2), listener).await;
        }
        self.group = None;
        if status.success() { Ok(()) } else { Err(self.failure(status)) }
    }

    fn failure(&self, status: ExitStatus) -> Error {
        use std::os::unix::process::ExitStatusExt;
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("{} failed with exit status {code}", self.name),
            (None, Some(signal)) => format!("{} was killed by signal {signal}", self.name),
            (None, None) => format!("{} ended in an unknown way", self.name),
        };
        let reason = said::reason(&self.said());
        let kind = if status.code().is_some() { reason.kind } else { Kind::Failed };
        let text = if reason.text.is_empty() { how } else { format!("{how}: {}", reason.text) };
        Error::new(kind, text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.group.is_some() {
            self.signal(rustix::process::Signal::KILL);
        }
    }
}

async fn listen(mut stderr: impl AsyncRead + Unpin, said: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = vec![0; 8 << 10];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(&buffer[..count]);
        let surplus = said.len().saturating_sub(STDERR_KEPT);
        said.drain(..surplus);
    }
}

/// Reads a child's output on a thread of its own and hands it on in large chunks: `pg_dump` writes 4 KiB at a time, and to
/// wait for each of these writes as an event costs more than the reading.
fn pumped(stdout: ChildStdout) -> Result<ByteStream> {
    let pipe = stdout.into_owned_fd()?;
    // The default of 64 KiB is filled in a few microseconds; where the machine's limit is lower, it stays as it is.
    let _ = rustix::pipe::fcntl_setpipe_size(&pipe, PIPE);
    let mut pipe = std::fs::File::from(pipe);
    let (send, receive) = mpsc::channel::<std::io::Result<Bytes>>(4);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut chunk = vec![0; CHUNK];
            let (read, filled) = fill(&mut pipe, &mut chunk);
            chunk.truncate(filled);
            let over = filled < CHUNK;
            if (!chunk.is_empty() && send.blocking_send(Ok(chunk.into())).is_err()) || over {
                if let Err(error) = read {
                    // Whoever read it may have gone.
                    let _ = send.blocking_send(Err(error));
                }
                return;
            }
        }
    });
    let chunks = futures::stream::unfold(receive, |mut receive| async move { receive.recv().await.map(|chunk| (chunk, receive)) });
    Ok(Box::pin(StreamReader::new(Box::pin(chunks))))
}

/// Fills a chunk from a pipe, and returns how much of it; less than all of it is the end, or an error. After a small read it
/// waits a moment for the pipe to fill: to be woken for each of 250,000 writes costs more than the waiting.
fn fill(pipe: &mut std::fs::File, chunk: &mut [u8]) -> (std::io::Result<()>, usize) {
    let mut filled = 0;
    while filled < chunk.len() {
        match pipe.read(&mut chunk[filled..]) {
            Ok(0) => return (Ok(()), filled),
            Ok(count) => {
                filled += count;
                if count < SMALL && filled < chunk.len() {
                    std::thread::sleep(MOMENT);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return (Err(error), filled),
        }
    }
    (Ok(()), filled)
}

enum Phase {
    Reading(ByteStream, Box<Running>),
    Ending(Pin<Box<dyn Future<Output = Result<()>> + Send>>),
    Ended,
}

/// The output of a child whose end is the child's success.
struct Output {
    phase: Phase,
    whole: Whole,
    head: Vec<u8>,
    tail: Vec<u8>,
    count: u64,
}

impl Output {
    fn note(&mut self, bytes: &[u8]) {
        self.count += bytes.len() as u64;
        let missing = 5_usize.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..missing]);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_KEPT)..]);
        let surplus = self.tail.len().saturating_sub(TAIL_KEPT);
        self.tail.drain(..surplus);
    }
}

impl AsyncRead for Output {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        loop {
            match &mut self.phase {
                Phase::Reading(stdout, _) => {
                    let before = buffer.filled().len();
                    ready!(stdout.as_mut().poll_read(cx, buffer))?;
                    if buffer.filled().len() > before {
                        let bytes = &buffer.filled()[before..];
                        self.note(bytes);
                        return Poll::Ready(Ok(()));
                    }
                    if buffer.remaining() == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    let Phase::Reading(_, mut running) = std::mem::replace(&mut self.phase, Phase::Ended) else { continue };
                    let (whole, head, tail, count) =
                        (self.whole, std::mem::take(&mut self.head), std::mem::take(&mut self.tail), self.count);
                    self.phase = Phase::Ending(Box::pin(async move {
                        running.finish().await?;
                        whole.check(&running.name, &head, &tail, count)
                    }));
                }
                Phase::Ending(end) => {
                    let ended = ready!(end.as_mut().poll(cx));
                    self.phase = Phase::Ended;
                    return Poll::Ready(ended.map_err(std::io::Error::from));
                }
                Phase::Ended => return Poll::Ready(Ok(())),
            }
        }
    }
}
