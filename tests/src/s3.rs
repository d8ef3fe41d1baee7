//! S3 servers for tests, started for one test and gone with it.
//!
//! Two that have nothing in common: s3s-fs, in this process, which verifies every signature; and moto, a process of its
//! own, which knows more of S3 and lets everybody in.

use crate::moto::Moto;
use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
};
use hyper::Method;
use hyper_util::rt::TokioIo;
use lastgood_core::{
    domain::place::Place,
    ports::Secret,
    providers::aws::{Access, S3, Settings},
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::Mutex};

/// The key id that the servers know.
pub const KEY_ID: &str = "AKIDLASTGOODTESTS";
/// Its secret.
pub const KEY: &str = "a-secret-for-tests-only";

/// An S3 server with one bucket, `vault-test`.
pub struct S3Server {
    address: SocketAddr,
    _alive: Alive,
}

enum Alive {
    Folder { _root: tempfile::TempDir },
    Process { _moto: Moto },
}

impl S3Server {
    /// Starts s3s-fs in this process: it refuses requests that are not signed with [`KEY`].
    pub async fn verifying() -> Self {
        let root = tempfile::tempdir().expect("a folder for s3s-fs");
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root.path()).expect("s3s-fs"));
        service.set_auth(SimpleAuth::from_single(KEY_ID, KEY));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for s3s-fs");
        let address = listener.local_addr().expect("its address");
        // s3s-fs compares and writes in two steps; one writer at a time makes its conditional writes atomic.
        let one_writer = Arc::new(Mutex::new(()));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (service, one_writer) = (service.clone(), one_writer.clone());
                let answer = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let (service, one_writer) = (service.clone(), one_writer.clone());
                    async move {
                        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
                        let _turn = if reads { None } else { Some(one_writer.lock().await) };
                        service.call(request.map(s3s::Body::from)).await
                    }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
            }
        });
        let server = Self { address, _alive: Alive::Folder { _root: root } };
        server.create_bucket("vault-test").await;
        server
    }

    /// Starts moto, or says on stderr that the test is skipped because there is none.
    pub async fn moto(test: &str) -> Option<Self> {
        let moto = Moto::start(test).await?;
        let server = Self { address: moto.address(), _alive: Alive::Process { _moto: moto } };
        server.create_bucket("vault-test").await;
        Some(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client past our own code, to prepare a scene or to look behind it.
    pub fn client(&self) -> Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(lastgood_core::providers::aws::https())
            .endpoint_url(format!("http://{}", self.address))
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(KEY_ID, KEY, None, None, "tests"))
            .force_path_style(true);
        Client::from_conf(config.build())
    }

    /// Creates another bucket.
    pub async fn create_bucket(&self, name: &str) {
        self.client().create_bucket().bucket(name).send().await.expect("a bucket");
    }

    /// Settings that reach it.
    pub fn settings(&self) -> Settings {
        settings_for(self.address)
    }

    /// Opens a place below its bucket with our adapter.
    pub fn open(&self, below: &str) -> S3 {
        S3::new(place(below), self.settings()).expect("a place in S3")
    }
}

/// Settings that reach a server, or a proxy in front of it.
pub fn settings_for(address: SocketAddr) -> Settings {
    Settings {
        endpoint: Some(format!("http://{address}")),
        region: Some("us-east-1".to_owned()),
        credentials: Some((KEY_ID.to_owned(), Secret::new(KEY))),
        ..Settings::default()
    }
}

/// The way to a server that doubles other services of AWS as well.
pub fn access(address: SocketAddr) -> Access {
    Access { endpoint: Some(format!("http://{address}")), credentials: Some((KEY_ID.to_owned(), Secret::new(KEY))) }
}

/// A place below the server's bucket.
pub fn place(below: &str) -> Place {
    format!("s3://vault-test/{below}").parse().expect("a place")
}
