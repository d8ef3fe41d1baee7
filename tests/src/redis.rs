//! A real Redis for a test: started on a socket of its own, filled, told to save, and stopped with the test.

use lastgood_core::providers::redis::Programs;
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Where its program is: on this machine, or where `tools/setup test` put it. Says on stderr where there is none.
pub fn programs(test: &str) -> Option<(Programs, PathBuf)> {
    let unpacked = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/redis"));
    let folders = [unpacked, PathBuf::from("/usr/bin"), PathBuf::from("/usr/local/bin")];
    let found = folders.iter().find(|folder| folder.join("redis-server").is_file());
    if found.is_none() {
        eprintln!("SKIPPED {test}: there is no redis-server; `tools/setup test` gets one");
    }
    found.map(|folder| (Programs::in_folders(vec![folder.clone()]), folder.join("redis-server")))
}

/// A running server.
pub struct Redis {
    home: TempDir,
    child: Child,
}

impl Redis {
    /// Starts an empty one.
    pub fn start(program: &PathBuf) -> Self {
        let home = tempfile::Builder::new().prefix("lgredis-").tempdir().expect("a temporary folder");
        let socket = home.path().join("s").display().to_string();
        let mut command = Command::new(program);
        command.args(["--port", "0", "--unixsocket", &socket, "--save", "", "--dir", &home.path().display().to_string()]);
        let child = command.stdout(Stdio::null()).spawn().expect("a Redis");
        let server = Self { home, child };
        let end = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(server.home.path().join("s")).is_err() {
            assert!(Instant::now() < end, "Redis did not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Says commands, one a line; none may be refused.
    pub fn say(&self, commands: &str) -> String {
        let mut stream = UnixStream::connect(self.home.path().join("s")).expect("its socket");
        let mut last = String::new();
        let mut answers = BufReader::new(stream.try_clone().expect("the same socket"));
        for command in commands.lines().map(str::trim).filter(|command| !command.is_empty()) {
            stream.write_all(format!("{command}\r\n").as_bytes()).expect("a command");
            last = answered(&mut answers);
            assert!(!last.starts_with('-'), "{command}: {last}");
        }
        last
    }

    /// The RDB file of all that it holds.
    pub fn saved(&self) -> Vec<u8> {
        self.say("save");
        std::fs::read(self.home.path().join("dump.rdb")).expect("its file")
    }
}

/// One answer, whole; of a list its last entry.
fn answered(answers: &mut impl BufRead) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).expect("an answer");
    let count = |prefix: char| line.strip_prefix(prefix).and_then(|count| count.trim().parse::<usize>().ok());
    if let Some(length) = count('$') {
        let mut text = vec![0; length + 2];
        answers.read_exact(&mut text).expect("the answer");
        return String::from_utf8_lossy(&text).into_owned();
    }
    if let Some(entries) = count('*') {
        return (0..entries).map(|_| answered(answers)).last().unwrap_or_default();
    }
    line
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
