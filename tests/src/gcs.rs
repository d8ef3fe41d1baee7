//! A double of Cloud Storage in this process, harsher than the cloud and as strict as it.
//!
//! It refuses what the real one refuses: a call without a good token, an unknown query parameter, a part that is no multiple
//! of 256 KiB, bytes with another checksum than they came with, a condition that does not hold (at the beginning of an upload
//! and at its end). It never gives more than three objects in a page, and an empty page now and then; it takes only half of every
//! third part of an upload; it copies at most 5 MiB in one round. What breaks on the way is the work of a
//! [`FaultProxy`](crate::fault_proxy::FaultProxy) before it.

mod answer;
mod multipart;
mod objects;
mod sessions;
mod tokens;
mod world;

use axum::{
    body::Body,
    extract::State,
    http::{Request, Response},
};
use lastgood_core::{
    domain::place::Place,
    ports::Secret,
    providers::gcp::{Access, Account, Gcs, Google},
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;
use world::World;

/// The refresh token that the double knows.
const REFRESH: &str = "a-refresh-token-for-tests-only";

/// A running double with one bucket, `vault-test`.
pub struct GcsServer {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
}

impl GcsServer {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the double of Cloud Storage");
        let address = listener.local_addr().expect("its address");
        let world = Arc::new(Mutex::new(World::default()));
        let router = axum::Router::new().fallback(answer::answer).with_state(world.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let server = Self { address, world };
        server.create_bucket("vault-test");
        server
    }

    /// The same behind a door that somebody else opens, through which whoever comes is let in.
    pub(crate) fn behind(address: SocketAddr) -> Self {
        let server = Self { address, world: Arc::default() };
        server.world().tokens.let_everybody_in();
        server.create_bucket("vault-test");
        server
    }

    /// Answers what came through that door.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        answer::answer(State(self.world.clone()), request).await
    }

    /// Writes an object that is not there yet, as another service of Google's does. Says why not.
    pub(crate) fn write(&self, bucket: &str, name: &str, bytes: Vec<u8>) -> Result<(), &'static str> {
        let stored = self.world().store(bucket, name, bytes.into(), Some(0), &serde_json::Value::Null);
        stored.map(drop).map_err(|world::Refusal(_, reason, _)| reason)
    }

    /// Whether there is such a bucket.
    pub(crate) fn has(&self, bucket: &str) -> bool {
        self.world().buckets.contains_key(bucket)
    }

    /// The bytes of an object in any bucket.
    pub fn bytes(&self, bucket: &str, name: &str) -> Option<bytes::Bytes> {
        Some(self.world().buckets.get(bucket)?.objects.get(name)?.bytes.clone())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Creates another bucket.
    pub fn create_bucket(&self, name: &str) {
        self.world().buckets.entry(name.to_owned()).or_default();
    }

    /// The way to it as a user whose tokens it gives.
    pub fn google(&self) -> Arc<Google> {
        google_at(self.address)
    }

    /// Opens a place below its bucket with our adapter.
    pub fn open(&self, below: &str) -> Gcs {
        Gcs::new(place(below), self.google()).expect("a place in Cloud Storage")
    }

    /// Every token from now on is good for so many requests.
    pub fn tokens_last(&self, requests: usize) {
        self.world().tokens.last_for(requests);
    }

    /// How many tokens it gave.
    pub fn tokens_given(&self) -> usize {
        self.world().tokens.given()
    }

    /// Takes the half-done uploads away, as Google does after a week.
    pub fn forget_uploads(&self) {
        self.world().sessions.clear();
    }

    /// Lets large objects go up in parts at once: no versions, no retention policy, and a class without a minimum duration.
    #[must_use]
    pub fn at_once(self) -> Self {
        self.describe(
            serde_json::json!({ "storageClass": "STANDARD", "softDeletePolicy": { "retentionDurationSeconds": "604800" } }),
            serde_json::json!({}),
        );
        self
    }

    /// Makes it easy on its callers, and fast: no tokens, long pages, whole parts. For a bench against tools that are not ours.
    #[must_use]
    pub fn easy(self) -> Self {
        self.world().easy = true;
        world::count_fast();
        self
    }

    /// The class of storage of an object.
    pub fn class(&self, name: &str) -> String {
        self.world().buckets["vault-test"].objects[name].class.as_str().unwrap_or_default().to_owned()
    }

    /// Takes a right away from its user, as `testIamPermissions` tells.
    pub fn lacks(&self, right: &str) {
        self.world().buckets.get_mut("vault-test").expect("the bucket").lacking.insert(right.to_owned());
    }

    /// Every name that an object ever had.
    pub fn names_ever(&self) -> Vec<String> {
        self.world().buckets["vault-test"].ever.iter().cloned().collect()
    }

    /// How many uploads of parts at once are begun and neither put together nor given up.
    pub fn multipart_uploads(&self) -> usize {
        self.world().multipart.len()
    }

    /// How many uploads are begun and neither finished nor given up.
    pub fn uploads(&self) -> usize {
        self.world().sessions.values().filter(|session| session.finished.is_none()).count()
    }

    /// Puts an object there past our own code.
    pub fn plant(&self, name: &str, bytes: impl Into<bytes::Bytes>) {
        let mut world = self.world();
        let generation = world.tick();
        let object = world::Object::new(name, bytes.into(), generation, &serde_json::json!({}));
        world.buckets.get_mut("vault-test").expect("the bucket").objects.insert(name.to_owned(), object);
    }

    /// Flips one bit of an object, and leaves its checksum as it was.
    pub fn damage(&self, name: &str, at: usize) {
        self.world().buckets.get_mut("vault-test").expect("the bucket").objects.get_mut(name).expect("the object").damage(at);
    }

    /// The names of all objects in any bucket.
    pub fn names_in(&self, bucket: &str) -> Vec<String> {
        self.world().buckets[bucket].objects.keys().cloned().collect()
    }

    /// The names of all objects in the bucket.
    pub fn names(&self) -> Vec<String> {
        self.world().buckets["vault-test"].objects.keys().cloned().collect()
    }

    /// How the bucket describes itself, its policy and its access list.
    pub fn describe(&self, description: serde_json::Value, policy: serde_json::Value) {
        let mut world = self.world();
        let bucket = world.buckets.get_mut("vault-test").expect("the bucket");
        (bucket.description, bucket.policy) = (description, policy);
    }

    /// Refuses to delete or replace anything, as a retention policy does.
    pub fn retain(&self) {
        self.world().buckets.get_mut("vault-test").expect("the bucket").retained = true;
    }

    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.lock().expect("the double")
    }
}

/// The way to a double, or to a proxy before it.
pub fn google_at(address: SocketAddr) -> Arc<Google> {
    let file = serde_json::json!({
        "type": "authorized_user", "client_id": "tests", "client_secret": "tests-secret",
        "refresh_token": REFRESH, "token_uri": format!("http://{address}/token"),
    });
    let account = Account::File(Secret::new(file.to_string()));
    Arc::new(Google::new(Access { endpoint: Some(format!("http://{address}")), account }))
}

/// A place below the double's bucket.
pub fn place(below: &str) -> Place {
    format!("gs://vault-test/{below}").parse().expect("a place")
}
