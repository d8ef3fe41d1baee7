//! moto, a double of Amazon's services: a process of its own, started for one test and gone with it.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// A running moto server.
pub struct Moto {
    address: SocketAddr,
    process: Child,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Moto {
    /// Starts moto, or says on stderr that the test is skipped because there is none.
    pub async fn start(test: &str) -> Option<Self> {
        let Some(program) = find() else {
            eprintln!("SKIPPED {test}: no moto_server on PATH nor in target/venv (pip install 'moto[server]')");
            return None;
        };
        let mut process = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("MOTO_RDS_SNAPSHOT_LIMIT", "10000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto starts");
        let mut said = BufReader::new(process.stderr.take().expect("its stderr"));
        let address = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            while said.read_line(&mut line).expect("moto's stderr") > 0 {
                if let Some((_, address)) = line.split_once("Running on http://") {
                    let address = address.split_whitespace().next().expect("an address").parse().expect("moto's address");
                    // Its log must go on being read, or it stops.
                    std::thread::spawn(move || std::io::copy(&mut said.by_ref(), &mut std::io::sink()));
                    return address;
                }
                line.clear();
            }
            panic!("moto ended before it listened");
        });
        Some(Self { address: address.await.expect("moto's address"), process })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[expect(clippy::disallowed_methods, reason = "tests look for the machine's own tools")]
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // The project's own first: whatever else lies on the PATH may be of another age.
    let venv = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/venv/bin"));
    let folders = [venv].into_iter().chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join("moto_server")).find(|program| program.is_file())
}
