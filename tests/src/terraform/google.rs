//! Terraform's google provider as far as its schema goes: a plugin in this process that Terraform attaches to.
//!
//! The provider itself is in no package registry. This one knows every argument's name, type and place (tests/fixtures), so that
//! Terraform finds what is misspelt, missing or of another type; what a value may be, only the real one knows. It refuses nothing
//! itself, and cannot make anything.

use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{
    HeaderMap, Request, Response,
    body::{Bytes, Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::{convert::Infallible, sync::Arc};

type Body =
    http_body_util::Either<Full<Bytes>, StreamBody<futures::stream::Iter<std::array::IntoIter<Result<Frame<Bytes>, Infallible>, 2>>>>;

/// Starts the provider on a thread of its own, and returns what Terraform is told about it (`TF_REATTACH_PROVIDERS`).
pub(super) fn attached() -> String {
    let text = include_str!("../../fixtures/google-provider.json");
    let schema: Arc<[u8]> = whole(&serde_json::from_str(text).expect("the schema")).into();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            while let Ok((stream, _)) = listener.accept().await {
                let schema = schema.clone();
                let answer = service_fn(move |request| answer(request, schema.clone()));
                tokio::spawn(hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer));
            }
        });
    });
    serde_json::json!({ "registry.terraform.io/hashicorp/google": {
        "Protocol": "grpc", "ProtocolVersion": 5, "Pid": std::process::id(), "Test": true,
        "Addr": { "Network": "tcp", "String": address.to_string() },
    } })
    .to_string()
}

/// Answers one call of gRPC: a message behind its length, then the status in trailers.
async fn answer(request: Request<Incoming>, schema: Arc<[u8]>) -> Result<Response<Body>, Infallible> {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let asked = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let said = match method.as_str() {
        "GetSchema" => Some(schema.to_vec()),
        // Asked: { config = 1 }; answered: { prepared_config = 1 }, as it came.
        "PrepareProviderConfig" => Some(asked.get(5..).unwrap_or_default().to_vec()),
        "ValidateResourceTypeConfig" | "ValidateDataSourceConfig" | "Configure" | "Stop" => Some(Vec::new()),
        _ => None,
    };
    let begun = Response::builder().header("content-type", "application/grpc");
    let response = match said {
        None => begun.header("grpc-status", "12").body(http_body_util::Either::Left(Full::default())),
        Some(message) => {
            let mut framed = vec![0];
            framed.extend_from_slice(&u32::try_from(message.len()).expect("a length").to_be_bytes());
            framed.extend_from_slice(&message);
            let trailers = HeaderMap::from_iter([("grpc-status".parse().expect("a name"), "0".parse().expect("a value"))]);
            let frames = [Ok(Frame::data(Bytes::from(framed))), Ok(Frame::trailers(trailers))];
            begun.body(http_body_util::Either::Right(StreamBody::new(futures::stream::iter(frames))))
        }
    };
    Ok(response.expect("an answer"))
}

/// `GetProviderSchema.Response`: provider = 1, resource_schemas = 2, data_source_schemas = 3, of plugin protocol 5.
fn whole(schema: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    field(&mut out, 1, &described(&schema["provider"]));
    for (number, kind) in [(2, "resources"), (3, "data")] {
        for (name, block) in schema[kind].as_object().expect("schemas") {
            let mut entry = Vec::new();
            field(&mut entry, 1, name.as_bytes());
            field(&mut entry, 2, &described(block));
            field(&mut out, number, &entry);
        }
    }
    out
}

/// `Schema`: block = 2.
fn described(of: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    field(&mut out, 2, &block(of));
    out
}

/// `Schema.Block`: attributes = 2, block_types = 3.
fn block(of: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for attribute in of["attributes"].as_array().expect("attributes") {
        let set = |name: &str| attribute[name].as_bool().unwrap_or_default();
        let mut one = Vec::new();
        field(&mut one, 1, attribute["name"].as_str().expect("a name").as_bytes());
        field(&mut one, 2, attribute["type"].to_string().as_bytes());
        number(&mut one, 4, u64::from(set("must")));
        number(&mut one, 5, u64::from(!set("must") && !set("only")));
        // Which optional arguments the provider fills in is not known, so only what cannot be given is computed, and the id.
        number(&mut one, 6, u64::from(set("computed")));
        field(&mut out, 2, &one);
    }
    for nested in of["blocks"].as_array().expect("blocks") {
        let mut one = Vec::new();
        field(&mut one, 1, nested["name"].as_str().expect("a name").as_bytes());
        field(&mut one, 2, &block(&nested["block"]));
        for (at, name) in [(3, "nesting"), (4, "min"), (5, "max")] {
            number(&mut one, at, nested[name].as_u64().expect("a number"));
        }
        field(&mut out, 3, &one);
    }
    out
}

fn field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint(out, number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn number(out: &mut Vec<u8>, number: u64, value: u64) {
    if value > 0 {
        varint(out, number << 3);
        varint(out, value);
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("seven bits"));
}
