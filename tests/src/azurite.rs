//! Azurite, Microsoft's own double of Blob Storage: a process of its own, started for one test and gone with it. It verifies
//! signatures and MD5s.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use lastgood_core::{
    clock::{Clock, SystemClock},
    domain::place::Place,
    ports::Secret,
    providers::azure::{Access, Account, Azure, Blobs},
};
use sha2::Sha256;
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

const ACCOUNT: &str = "lastgoodtests";
const KEY: &[u8] = b"a key for tests only, of 44 bytes or so long";

/// A running Azurite with one container, `vault-test`.
pub struct Azurite {
    address: SocketAddr,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Azurite {
    /// Starts it, or says on stderr that the test is skipped because there is none.
    pub async fn start(test: &str) -> Option<Self> {
        let program = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/azurite/node_modules/.bin/azurite-blob"));
        if !program.is_file() {
            eprintln!("SKIPPED {test}: no Azurite in target/azurite (tools/setup test)");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder for Azurite");
        let mut process = Command::new(program)
            .args(["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"])
            .current_dir(folder.path())
            .env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{}", STANDARD.encode(KEY)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Azurite starts");
        let said = BufReader::new(process.stdout.take().expect("its stdout"));
        let address = tokio::task::spawn_blocking(move || {
            let mut lines = said.lines().map_while(Result::ok);
            let address = lines.find_map(|line| line.split_once("listens on http://").map(|(_, rest)| rest.trim().to_owned()));
            // Its log must go on being read, or it stops.
            std::thread::spawn(move || lines.for_each(drop));
            address.expect("Azurite says where it listens").parse().expect("its address")
        });
        let server = Self { address: address.await.expect("Azurite's address"), process, _folder: folder };
        server.create_container("vault-test").await;
        Some(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The connection string by which any tool of Azure's reaches it.
    pub fn connection(&self) -> String {
        format!("AccountName={ACCOUNT};AccountKey={};BlobEndpoint=http://{}/{ACCOUNT}", STANDARD.encode(KEY), self.address)
    }

    /// The address of its container, signed for whoever has it.
    pub fn signed(&self) -> String {
        format!("http://{}/{ACCOUNT}/vault-test?{}", self.address, sas("rcwdl", "2099-01-01T00:00:00Z"))
    }

    /// Opens a place below its container with our adapter.
    pub fn open(&self, below: &str) -> Blobs {
        Blobs::new(place(below), azure_at(self.address)).expect("a place in Blob Storage")
    }

    async fn create_container(&self, name: &str) {
        let date = SystemClock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let text =
            format!("PUT{}x-ms-date:{date}\nx-ms-version:2021-12-02\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container", "\n".repeat(12));
        let signature = signed(&text);
        lastgood_core::providers::tls::settle();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let request = client.put(format!("http://{}/{ACCOUNT}/{name}?restype=container", self.address));
        let request = request.header("x-ms-date", date).header("x-ms-version", "2021-12-02").header("content-length", 0);
        let answer = request.header("authorization", format!("SharedKey {ACCOUNT}:{signature}")).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }
}

/// The way to an Azurite, or to a proxy before it.
pub fn azure_at(address: SocketAddr) -> Arc<Azure> {
    let account = Account::Key(Secret::new(STANDARD.encode(KEY)));
    Arc::new(Azure::new(Access { endpoint: Some(format!("http://{address}/{ACCOUNT}")), account }))
}

/// The way to an Azurite for who has a shared access signature for its container.
pub fn azure_by_sas(address: SocketAddr, permissions: &str, until: &str) -> Arc<Azure> {
    let account = Account::Sas(Secret::new(sas(permissions, until)));
    Arc::new(Azure::new(Access { endpoint: Some(format!("http://{address}/{ACCOUNT}")), account }))
}

/// A shared access signature for its container: `rcwdl`, until `2030-01-01T00:00:00Z`.
fn sas(permissions: &str, until: &str) -> String {
    let version = "2021-12-02";
    let text = format!("{permissions}\n\n{until}\n/blob/{ACCOUNT}/vault-test\n\n\n\n{version}\nc\n\n\n\n\n\n\n");
    let escaped = signed(&text).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("sv={version}&sr=c&sp={permissions}&se={}&sig={escaped}", until.replace(':', "%3A"))
}

fn signed(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("a key");
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// A place below its container.
pub fn place(below: &str) -> Place {
    format!("az://{ACCOUNT}/vault-test/{below}").parse().expect("a place")
}
