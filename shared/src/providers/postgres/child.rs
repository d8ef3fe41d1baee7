//! Our own child processes: the programs of Postgres, started without a shell and never left behind.
//!
//! A child gets a list of arguments and an environment of our making, nothing of ours. It leads a process group of its own
//! that dies with us; what it says on stderr is bounded and redacted. Bytes on its stdout count only once it was seen to
//! end well *and* they are whole by themselves: see [`Whole`].

mod output;
mod pump;

pub use output::Whole;

use super::{said, url::PgUrl};
use crate::{
    error::{Error, Kind, Result, failed},
    ports::ByteStream,
};
use output::Output;
use pump::pumped;
use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, ChildStdin, Command},
    task::JoinHandle,
};

const STDERR_KEPT: usize = 64 << 10;
const STDOUT_KEPT: u64 = 4 << 20;

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
        Ok(Box::pin(Output::of(pumped(stdout)?, running, whole)))
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
