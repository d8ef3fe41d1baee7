//! Runs a function's real binary under each host: as a command, as an HTTP service, as a Lambda.

use crate::runtime_api::{Answer, RuntimeApi};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
};

/// Returns the binary of this workspace that bears a name. `cargo build --workspace --bins` makes it; `make test` does so first.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let profile = test.ancestors().find(|folder| folder.join(".fingerprint").is_dir()).expect("target/<profile>");
    let found = profile.join(name);
    assert!(found.is_file(), "{} is not built: run `cargo build --workspace --bins` first, as `make test` does", found.display());
    found
}

/// A function's binary in a world of its own: nothing of this process's environment but what is needed to find tools.
#[derive(Clone)]
pub struct Installed {
    binary: PathBuf,
    variables: Vec<(String, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub exit: Option<i32>,
    /// What it said on stdout.
    pub stdout: String,
    /// What it said on stderr.
    pub stderr: String,
}

impl Ran {
    /// The report that it printed.
    pub fn report(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no report ({error}): {self:?}"))
    }
}

impl Installed {
    /// Installs a binary with a config; scratch folders are made below `scratch`.
    #[expect(clippy::disallowed_methods, reason = "a test finds its tools where this process does")]
    pub fn new(binary: PathBuf, config: &Path, scratch: &Path) -> Self {
        let mut variables = vec![
            ("LASTGOOD_CONFIG".to_owned(), config.display().to_string()),
            ("LASTGOOD_SCRATCH".to_owned(), scratch.display().to_string()),
        ];
        if let Ok(path) = std::env::var("PATH") {
            variables.push(("PATH".to_owned(), path));
        }
        Self { binary, variables }
    }

    /// Sets a variable for its process.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The command that starts it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs it once, as a command.
    pub async fn run(&self, args: &[&str]) -> Ran {
        let output = self.command().args(args).output().await.expect("the binary starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { exit: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Starts it as a Lambda.
    pub async fn lambda(&self) -> Lambda {
        let api = RuntimeApi::start().await;
        let process = Process::start(self.command().envs(api.environment("under-test")));
        Lambda { api, process }
    }

    /// Starts it as an HTTP service and waits until it listens.
    pub async fn http(&self) -> Http {
        lastgood_core::providers::tls::settle();
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr()).expect("a free port").port();
        let process = Process::start(self.command().env("K_SERVICE", "under-test").env("PORT", port.to_string()));
        let http = Http { url: format!("http://127.0.0.1:{port}"), client: reqwest::Client::new(), process };
        for _ in 0..200 {
            if http.client.get(format!("{}/healthz", http.url)).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return http;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("it does not listen: {}", http.process.logs());
    }
}

/// A process that runs as long as this value lives, and what it says.
pub struct Process {
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let said = Arc::new(Mutex::new(Vec::new()));
        let (out, err) = (child.stdout.take().expect("its stdout"), child.stderr.take().expect("its stderr"));
        collect(out, said.clone());
        collect(err, said.clone());
        Self { child, said }
    }

    /// Everything it has said so far.
    pub fn logs(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().expect("the logs")).into_owned()
    }

    /// Waits for its end.
    pub async fn exit(&mut self) -> Option<i32> {
        let exit = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        exit.ok().and_then(Result::ok).and_then(|status| status.code())
    }

    /// Its process id.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }
}

fn collect(mut from: impl tokio::io::AsyncRead + Unpin + Send + 'static, said: Arc<Mutex<Vec<u8>>>) {
    tokio::spawn(async move {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            said.lock().expect("the logs").extend_from_slice(&bytes[..count]);
        }
    });
}

/// A function that runs as a Lambda.
pub struct Lambda {
    /// The API that invokes it.
    pub api: RuntimeApi,
    /// Its process.
    pub process: Process,
}

impl Lambda {
    /// Invokes it with a minute of time.
    pub async fn invoke(&self, event: &Value) -> Answer {
        self.api.invoke(event.to_string(), Duration::from_secs(60)).await
    }
}

/// A function that runs as an HTTP service.
pub struct Http {
    /// Where it listens.
    pub url: String,
    /// Who calls it.
    pub client: reqwest::Client,
    /// Its process.
    pub process: Process,
}

impl Http {
    /// Posts an event and returns status and body.
    pub async fn post(&self, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let answer = self.client.post(&self.url).body(body).send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}
