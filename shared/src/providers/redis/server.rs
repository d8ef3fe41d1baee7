//! A throwaway Redis or Valkey: one file to load, one socket that only we can open, no port, nothing ever written back.

use super::client::say;
use crate::{
    error::{During, Error, Kind, Result, corrupt, failed, retry, unsupported},
    providers::postgres::child::Program,
};
use sha2::{Digest, Sha256};
use std::{
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Where the servers' programs are looked for.
#[derive(Debug, Clone)]
pub struct Programs(Vec<PathBuf>);

/// Either can load what Redis wrote, up to the version that it knows.
const NAMES: [&str; 2] = ["valkey-server", "redis-server"];
const BETWEEN: Duration = Duration::from_millis(100);
/// How long a server may take to open its socket; loading comes after that.
const START: Duration = Duration::from_secs(20);

impl Default for Programs {
    fn default() -> Self {
        Self::of_this_machine()
    }
}

impl Programs {
    /// Looks where a machine has its programs.
    #[expect(clippy::disallowed_methods, reason = "every program is looked for there")]
    pub fn of_this_machine() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self(std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect())
    }

    /// Looks in these folders alone.
    pub fn in_folders(folders: Vec<PathBuf>) -> Self {
        Self(folders)
    }

    /// The newest server there is that can load a file of such a version: the program and its version.
    pub(super) async fn newest(&self, needed: Option<(u32, u32)>) -> Result<(PathBuf, String)> {
        let mut found: Vec<((u32, u32), PathBuf, String)> = Vec::new();
        let paths = self.0.iter().flat_map(|folder| NAMES.map(|name| folder.join(name))).filter(|path| path.is_file());
        for path in paths {
            let Ok(said) = Program::new(&path).arg("--version").within(Duration::from_secs(10)).run().await else { continue };
            if let Some(version) = said.split_whitespace().find_map(|word| word.strip_prefix("v=")) {
                found.extend(numbers(version).map(|numbers| (numbers, path, version.to_owned())));
            }
        }
        found.sort_by_key(|(numbers, ..)| *numbers);
        let Some((newest, path, version)) = found.pop() else {
            return Err(
                unsupported("there is no Redis or Valkey on this machine to load it into").hint("install redis-server or valkey-server")
            );
        };
        match needed {
            Some(needed) if newest < needed => Err(unsupported(format!(
                "the newest Redis on this machine is {version}, and the file was written by {}.{}",
                needed.0, needed.1
            ))
            .hint("install a redis-server or valkey-server that is at least as new")),
            Some(_) | None => Ok((path, version)),
        }
    }
}

/// The first two numbers of `7.2.4`.
pub(super) fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// One throwaway server: where its parts lie.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    folder: PathBuf,
    /// A short path: a socket's has 107 bytes at most.
    sockets: PathBuf,
}

impl Engine {
    /// The server of the replica in `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        let digest = hex::encode(&Sha256::digest(folder.as_os_str().as_encoded_bytes())[..4]);
        Self { folder: folder.to_owned(), sockets: folder.with_file_name(format!("s-{digest}")) }
    }

    /// The file that it loads.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.join("dump.rdb")
    }

    /// Its socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.sockets.join("redis")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Starts it on its file and returns once all of that is loaded.
    pub(super) async fn load(&self, program: &Path) -> Result<()> {
        if self.sockets.exists() {
            std::fs::remove_dir_all(&self.sockets)?;
        }
        std::fs::DirBuilder::new().mode(0o700).create(&self.sockets)?;
        let folder = self.folder.display().to_string();
        Program::new(program)
            // Fences: no port, nothing saved, no primary, nobody but us.
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "yes", "--unixsocketperm", "700"])
            .args(["--dbfilename", "dump.rdb", "--dir", &folder, "--rdbchecksum", "yes", "--maxmemory", "0"])
            .args(["--unixsocket", &self.socket().display().to_string(), "--logfile", &self.log().display().to_string()])
            .args(["--pidfile", &self.folder.join("pid").display().to_string()])
            .folder(&self.folder)
            .within(START)
            .run()
            .await
            .map_err(|error| retry("a throwaway Redis could not be started").because(error))?;
        let began = Instant::now();
        loop {
            match say(&self.socket(), "PING").await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == Kind::Busy => {}
                Err(_) if self.process().is_some() || began.elapsed() < Duration::from_secs(1) => {
                    if began.elapsed() > START && !self.socket().exists() {
                        return Err(retry("the throwaway Redis did not come up"));
                    }
                }
                Err(_) => return Err(self.why()),
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }

    /// Why it ended while it loaded.
    fn why(&self) -> Error {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let last = log.lines().rev().find(|line| line.contains(" # ")).unwrap_or_default();
        let said = last.split_once(" # ").map_or(last, |(_, said)| said);
        let (checksum, format) = (log.contains("Wrong RDB checksum"), log.contains("Can't handle RDB format"));
        match () {
            () if format => {
                unsupported("the Redis on this machine does not know the format of the file").because(crate::redact::clip(said, 200))
            }
            () if log.contains("Out Of Memory") => Error::new(Kind::NoSpace, "this machine has too little memory to load it"),
            () if checksum => corrupt("Redis does not load it: its checksum is wrong"),
            () => failed("Redis does not load it").because(crate::redact::clip(said, 200)),
        }
    }

    /// Its process, if the one that its file names is really at work on its socket.
    fn process(&self) -> Option<rustix::process::Pid> {
        let number: i32 = std::fs::read_to_string(self.folder.join("pid")).ok()?.trim().parse().ok()?;
        let pid = rustix::process::Pid::from_raw(number)?;
        if Path::new("/proc/self/cwd").exists() {
            // A process id is reused after a reboot: its folder tells whether it is this server.
            let folder = std::fs::read_link(format!("/proc/{number}/cwd")).ok()?;
            return (folder == self.folder.canonicalize().ok()?).then_some(pid);
        }
        rustix::process::test_kill_process(pid).is_ok().then_some(pid)
    }

    /// Stops it if it runs, at once and without saving anything.
    pub(super) async fn stop(&self) -> Result<()> {
        let Some(pid) = self.process() else { return Ok(()) };
        let (end, hard) = (Instant::now() + Duration::from_secs(20), Instant::now() + Duration::from_secs(10));
        while self.process() == Some(pid) {
            let signal = if Instant::now() < hard { rustix::process::Signal::TERM } else { rustix::process::Signal::KILL };
            // It may have ended by itself in the meantime.
            let _ = rustix::process::kill_process(pid, signal);
            if Instant::now() > end {
                return Err(retry(format!("the throwaway server (process {}) does not end", pid.as_raw_nonzero())));
            }
            tokio::time::sleep(BETWEEN).await;
        }
        Ok(())
    }

    /// Removes everything that lies outside the replica's own folder.
    pub(super) fn clear(&self) -> Result<()> {
        if self.sockets.exists() {
            std::fs::remove_dir_all(&self.sockets).during("removing a throwaway server's socket")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(numbers("7.2.4"), Some((7, 2)));
        assert!(numbers("7.10.0") > numbers("7.9.9"));
        assert_eq!(numbers("seven"), None);
    }
}
