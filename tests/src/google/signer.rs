//! Who signs tokens as Google does: a key of RSA made by `openssl`, which also signs with it, so that nothing here has anything in
//! common with what it checks.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use lastgood_core::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use std::{
    io::Write,
    process::{Command, Stdio},
};
use tempfile::NamedTempFile;

/// Whom the tokens of these tests are for.
pub const AUDIENCE: &str = "https://lastgood-checker-x.a.run.app";
/// Who calls in these tests.
pub const CALLER: &str = "lastgood-wake@acme-prod.iam.gserviceaccount.com";

/// The keys that are shown, and how often they were asked for.
#[derive(Default)]
pub struct Certs {
    /// The keys.
    pub keys: Vec<Value>,
    /// How often they were asked for.
    pub asked: usize,
    /// Whether nobody gets them.
    pub broken: bool,
}

impl Certs {
    pub(super) fn answer(&mut self) -> Response {
        self.asked += 1;
        if self.broken {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        Json(json!({ "keys": self.keys })).into_response()
    }
}

/// A key.
pub struct Signer {
    name: String,
    key: NamedTempFile,
}

impl Signer {
    /// Makes a key of this name.
    pub fn new(name: &str) -> Self {
        let key = NamedTempFile::new().expect("a file");
        let made = Command::new("openssl")
            .args(["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"])
            .arg(key.path())
            .status();
        assert!(made.expect("openssl").success());
        Self { name: name.to_owned(), key }
    }

    /// The key as it is shown.
    pub fn shown(&self) -> Value {
        let read = Command::new("openssl").args(["rsa", "-noout", "-modulus", "-in"]).arg(self.key.path()).stderr(Stdio::null()).output();
        let said = String::from_utf8(read.expect("openssl").stdout).expect("text");
        let modulus = hex::decode(said.trim().trim_start_matches("Modulus=")).expect("a modulus");
        json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.name, "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB" })
    }

    /// A good token, with some claims of its own.
    pub fn token(&self, own: Value) -> String {
        let now = SystemClock.now().as_second();
        let mut claims = json!({ "iss": "https://accounts.google.com", "aud": AUDIENCE, "sub": "1042", "email": CALLER,
            "email_verified": true, "iat": now - 5, "exp": now + 3595 });
        let fields = claims.as_object_mut().expect("claims");
        for (name, value) in own.as_object().expect("an object") {
            if value.is_null() {
                fields.remove(name);
            } else {
                fields.insert(name.clone(), value.clone());
            }
        }
        self.signed(&json!({ "alg": "RS256", "kid": self.name, "typ": "JWT" }), &claims)
    }

    /// A token with this head and these claims.
    pub fn signed(&self, head: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(head), part(claims));
        let mut signing = Command::new("openssl");
        signing.args(["dgst", "-sha256", "-binary", "-sign"]).arg(self.key.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = signing.spawn().expect("openssl");
        child.stdin.take().expect("its stdin").write_all(message.as_bytes()).expect("openssl reads");
        let signature = child.wait_with_output().expect("a signature").stdout;
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
