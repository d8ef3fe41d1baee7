//! Chromium without a window, driven over its own DevTools protocol: what a page looks like, asks for, complains of, and
//! whom it keeps out.

use base64::{Engine, prelude::BASE64_STANDARD};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Stdio,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// How a page is looked at.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Pixels from left to right.
    pub width: u32,
    /// Whether whoever looks prefers dark.
    pub dark: bool,
}

/// A phone and a desk, in light and in dark.
pub const VIEWS: [View; 4] = [
    View { width: 375, dark: false },
    View { width: 375, dark: true },
    View { width: 1280, dark: false },
    View { width: 1280, dark: true },
];

/// A browser of a test's own, with one page open.
pub struct Browser {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    calls: u64,
    events: Vec<Value>,
    // Ends with the test.
    _chromium: Child,
    _home: TempDir,
}

impl Browser {
    /// Starts it.
    pub async fn start() -> Self {
        let home = tempfile::Builder::new().prefix("lgweb-").tempdir().expect("a temporary folder");
        let mut chromium = Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", home.path().display()))
            .arg("about:blank")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromium: `tools/setup test` installs it");
        let mut lines = BufReader::new(chromium.stderr.take().expect("its stderr")).lines();
        let address = loop {
            let line = lines.next_line().await.expect("its stderr").expect("chromium to say where it listens");
            if let Some((_, address)) = line.split_once("DevTools listening on ") {
                break address.trim().to_owned();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let (socket, _) = connect_async(&address).await.expect("its socket");
        let mut browser = Self { socket, calls: 0, events: Vec::new(), _chromium: chromium, _home: home };
        let page = browser.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let (root, _) = address.split_once("/devtools/").expect("an address");
        let page = format!("{root}/devtools/page/{}", page["targetId"].as_str().expect("a page"));
        browser.socket = connect_async(page).await.expect("its socket").0;
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        browser
    }

    /// Opens a file as somebody looks at it, and waits until it is shown.
    pub async fn open(&mut self, file: &Path, view: View) {
        let scheme = if view.dark { "dark" } else { "light" };
        let size = json!({ "width": view.width, "height": 900, "deviceScaleFactor": 1, "mobile": view.width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", media).await;
        self.events.clear();
        self.call("Page.navigate", json!({ "url": url::Url::from_file_path(file).expect("a path").as_str() })).await;
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            self.hear().await;
        }
        // What is drawn is laid out by now, and what it asks for was asked for.
        self.evaluate("new Promise(shown => requestAnimationFrame(() => requestAnimationFrame(() => shown(true))))").await;
    }

    /// Returns what an expression comes to.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", asked).await;
        assert!(answer["exceptionDetails"].is_null(), "{expression:.200}: {answer:#}");
        answer["result"]["value"].clone()
    }

    /// What the page asked the network, or its disk, for, beside itself.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        let urls = asked.filter_map(|event| event["params"]["request"]["url"].as_str()).map(str::to_owned);
        urls.skip(1).filter(|url| !url.starts_with("data:")).collect()
    }

    /// What the console says of it.
    pub fn complaints(&self) -> Vec<String> {
        let said = ["Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"];
        self.events.iter().filter(|event| said.iter().any(|said| event["method"] == *said)).map(ToString::to_string).collect()
    }

    /// What axe-core finds against it, each with where.
    pub async fn barriers(&mut self) -> Vec<String> {
        let axe = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/axe/node_modules/axe-core/axe.min.js"));
        let axe = std::fs::read_to_string(axe).expect("axe-core: `tools/setup test` fetches it");
        self.evaluate(&format!("{axe}; true")).await;
        let found = self.evaluate("axe.run(document, { resultTypes: ['violations'] }).then(r => r.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target + ' ' + n.failureSummary).join(' | ')))").await;
        found.as_array().expect("a list").iter().map(ToString::to_string).collect()
    }

    /// By how many pixels the page is wider than the screen.
    pub async fn overflow(&mut self) -> i64 {
        let over = self.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        over.as_i64().expect("a number")
    }

    /// Keeps a picture of the whole page.
    pub async fn picture(&mut self, file: &Path) {
        let shot = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await;
        let bytes = BASE64_STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base64");
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("the folder");
        std::fs::write(file, bytes).expect("the picture");
    }

    /// Asks Chromium something.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let text = json!({ "id": id, "method": method, "params": params }).to_string();
        self.socket.send(Message::text(text)).await.expect("the socket");
        loop {
            if let Some(answer) = self.hear().await.filter(|answer| answer["id"] == id) {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Returns an answer; keeps an event.
    async fn hear(&mut self) -> Option<Value> {
        let message =
            tokio::time::timeout(std::time::Duration::from_secs(60), self.socket.next()).await.expect("chromium to say something");
        let text = message.expect("chromium to live").expect("the socket").into_text().ok()?;
        let heard: Value = serde_json::from_str(&text).ok()?;
        if heard["id"].is_null() {
            self.events.push(heard);
            return None;
        }
        Some(heard)
    }
}
