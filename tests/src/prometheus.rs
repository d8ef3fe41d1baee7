//! Prometheus, its Pushgateway and its tools: real ones, from Debian, started for one test and gone with it.

use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// Returns a program of Debian's packages: from PATH, or where `tools/setup test` unpacked it.
#[expect(clippy::disallowed_methods, reason = "a test finds its tools where this process does")]
pub fn program(name: &str) -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/monitoring/usr/bin");
    let folders = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let found = folders.into_iter().chain([unpacked]).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: run `tools/setup test`, as `make test` does"))
}

/// The folder of rules and dashboards.
pub fn monitoring() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/monitoring")
}

/// Runs a tool to its end and returns what it said; its failure is the test's.
pub fn checked(name: &str, args: &[&str], stdin: Option<&Path>) -> String {
    let input = stdin.map_or_else(Stdio::null, |path| std::fs::File::open(path).expect("its input").into());
    let ran = Command::new(program(name)).args(args).stdin(input).output().expect("the tool starts");
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{name} {args:?}: {said}");
    said
}

/// A server of Prometheus' family.
pub struct Server {
    /// Where it listens.
    pub url: String,
    client: reqwest::Client,
    process: Child,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts a Pushgateway.
    pub async fn pushgateway() -> Self {
        Self::start("prometheus-pushgateway", "/-/ready", |address, _| vec![format!("--web.listen-address={address}")]).await
    }

    /// Starts Prometheus with these rules; it scrapes `target` every second. `past` is imported first, as OpenMetrics.
    pub async fn prometheus(target: &str, rules: &str, past: &str) -> Self {
        Self::start("prometheus", "/-/ready", |address, folder| {
            let file = |name: &str, text: &str| {
                std::fs::write(folder.join(name), text).expect("a file");
                folder.join(name).display().to_string()
            };
            file("rules.yml", rules);
            let config = format!(
                "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [rules.yml]\nscrape_configs:\n  - job_name: lastgood\n    static_configs: [ {{ targets: [ \"{target}\" ] }} ]\n"
            );
            let config = file("prometheus.yml", &config);
            let (past, data) = (file("past.txt", past), folder.join("data").display().to_string());
            checked("promtool", &["tsdb", "create-blocks-from", "openmetrics", &past, &data], None);
            vec![format!("--config.file={config}"), format!("--storage.tsdb.path={data}"), format!("--web.listen-address={address}")]
        })
        .await
    }

    async fn start(name: &str, ready: &str, args: impl FnOnce(&str, &Path) -> Vec<String>) -> Self {
        lastgood_core::providers::tls::settle();
        let folder = tempfile::tempdir().expect("a folder");
        let address = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr()).expect("a free port").to_string();
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let process = Command::new(program(name))
            .args(args(&address, folder.path()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let server = Self { url: format!("http://{address}"), client: reqwest::Client::new(), process, _folder: folder };
        for _ in 0..400 {
            if server.client.get(format!("{}{ready}", server.url)).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{name} does not listen: {}", std::fs::read_to_string(server._folder.path().join("log")).unwrap_or_default());
    }

    /// What a page of it says.
    pub async fn page(&self, path: &str) -> String {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.expect("an answer");
        answer.error_for_status().expect("a page").text().await.expect("its text")
    }

    /// The alerts that fire, as `name asset kind`, sorted.
    pub async fn firing(&self) -> Vec<String> {
        let alerts: Value = serde_json::from_str(&self.page("/api/v1/alerts").await).expect("alerts");
        let firing = alerts["data"]["alerts"].as_array().expect("a list").iter().filter(|alert| alert["state"] == "firing");
        let label = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap_or("-").to_owned();
        let mut names: Vec<_> = firing.map(|alert| ["alertname", "asset", "kind"].map(|name| label(alert, name)).join(" ")).collect();
        names.sort();
        names
    }

    /// Waits until exactly these alerts fire.
    pub async fn until_firing(&self, awaited: &[&str]) {
        let mut firing = Vec::new();
        for _ in 0..150 {
            firing = self.firing().await;
            if firing == awaited {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("awaited {awaited:#?}, got {firing:#?}");
    }

    /// How many series an expression has now.
    pub async fn series(&self, expression: &str) -> usize {
        let url = reqwest::Url::parse_with_params(&format!("{}/api/v1/query", self.url), [("query", expression)]).expect("a URL");
        let answer = self.client.get(url).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"].as_array().map_or(0, Vec::len)
    }
}
