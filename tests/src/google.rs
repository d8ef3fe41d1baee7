//! What a machine of Google's finds around it: its metadata server, Secret Manager, and the keys that tokens are signed
//! with, in this process.
//!
//! As strict as the real ones: a token is given only to whoever says `Metadata-Flavor: Google`, a call without the newest token is
//! refused, and a version has a state. What a hostile or broken service would answer is asked for by name.

mod secrets;
mod signer;

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use lastgood_core::providers::gcp::{Access, Account, Google};
pub use secrets::{Reply, Secrets};
use serde_json::json;
pub use signer::{AUDIENCE, CALLER, Certs, Signer};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

/// The project that the double says it is in.
pub const PROJECT: &str = "acme-prod";
/// The token that its metadata server gives.
pub const TOKEN: &str = "ya29.a-token-of-the-metadata-server-canary";

/// A running double.
#[derive(Clone)]
pub struct Machine {
    address: SocketAddr,
    secrets: Arc<Mutex<Secrets>>,
    certs: Arc<Mutex<Certs>>,
}

impl Machine {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let secrets: Arc<Mutex<Secrets>> = Arc::default();
        let certs: Arc<Mutex<Certs>> = Arc::default();
        let shown = Router::new().route("/certs", get(shown)).with_state(certs.clone());
        let metadata = Router::new()
            .route("/computeMetadata/v1/project/project-id", get(project))
            .route("/computeMetadata/v1/instance/service-accounts/default/token", get(token));
        let router =
            Router::new().route("/v1/projects/{*path}", get(access).post(access)).with_state(secrets.clone()).merge(metadata).merge(shown);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, secrets, certs }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What Secret Manager holds.
    pub fn secrets(&self) -> MutexGuard<'_, Secrets> {
        self.secrets.lock().expect("the double")
    }

    /// The keys that it shows as Google's.
    pub fn certs(&self) -> MutexGuard<'_, Certs> {
        self.certs.lock().expect("the double")
    }

    /// The way to it past its identity.
    pub fn google(&self) -> Arc<Google> {
        Arc::new(Google::new(Access { endpoint: Some(format!("http://{}", self.address)), account: Account::Nobody }))
    }

    /// What makes a process believe that it runs there.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("GCE_METADATA_HOST", self.address.to_string()),
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", format!("http://{}/", self.address)),
        ]
    }
}

fn flavoured(headers: &HeaderMap, body: impl IntoResponse) -> Response {
    match headers.get("metadata-flavor") {
        Some(flavour) if flavour == "Google" => ([("metadata-flavor", "Google")], body).into_response(),
        _ => StatusCode::FORBIDDEN.into_response(),
    }
}

async fn project(headers: HeaderMap) -> Response {
    flavoured(&headers, PROJECT)
}

async fn token(headers: HeaderMap) -> Response {
    flavoured(&headers, Json(json!({ "access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer" })))
}

async fn shown(State(certs): State<Arc<Mutex<Certs>>>) -> Response {
    certs.lock().expect("the double").answer()
}

async fn access(State(secrets): State<Arc<Mutex<Secrets>>>, method: Method, headers: HeaderMap, uri: Uri, body: Bytes) -> Response {
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let query = pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let asked = secrets::Asked { post: method == Method::POST, path: uri.path(), query, body, bearer };
    secrets.lock().expect("the double").answer(&asked)
}
