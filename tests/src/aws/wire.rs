//! What goes over the wire: a request as far as it must be understood, and answers in each protocol's own words.

use super::{rights, xml::Node};
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use hyper::{HeaderMap, Request, Response, StatusCode, header::HeaderValue};
use hyper_util::rt::TokioIo;
use std::{collections::BTreeMap, io, net::SocketAddr};
use tokio::net::TcpStream;

/// What goes wrong below all protocols.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A request to one of Amazon's services.
#[derive(Debug, Clone)]
pub struct Call {
    /// `rds`, `kms`, `s3`, …, as the signature says.
    pub service: String,
    /// The region that it was signed for.
    pub region: String,
    /// Who signed.
    pub key_id: String,
    /// `CreateDBSnapshot`, as a policy names it.
    pub action: String,
    /// The parameters of a query request; empty for other protocols.
    pub params: BTreeMap<String, String>,
    /// A right that it takes besides that of its action.
    pub besides: Option<&'static str>,
}

impl Call {
    /// Reads a request; none where it bears no signature.
    pub fn read(method: &hyper::Method, uri: &hyper::Uri, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let authorization = headers.get("authorization")?.to_str().ok()?;
        let scope = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let credential = scope.split(',').find_map(|part| part.trim().strip_prefix("Credential="))?;
        let signature = scope.split(',').find_map(|part| part.trim().strip_prefix("Signature="))?;
        let [key_id, _day, region, service, "aws4_request"] = credential.split('/').collect::<Vec<_>>()[..] else { return None };
        if signature.len() != 64 || !signature.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let form = headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        let mut params: BTreeMap<String, String> =
            if form { url::form_urlencoded::parse(body).into_owned().collect() } else { BTreeMap::new() };
        let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()?.rsplit('.').next());
        let named = params.get("Action").map(String::as_str).or(target);
        let mut action = if service == "s3" { rights::of_s3(method, uri) } else { named.unwrap_or_else(|| method.as_str()) }.to_owned();
        if service == "ebs" {
            // `/snapshots/ID/blocks` and `/snapshots/ID/blocks/INDEX`.
            let parts: Vec<_> = uri.path().split('/').skip(2).collect();
            action = if parts.len() == 2 { "ListSnapshotBlocks" } else { "GetSnapshotBlock" }.to_owned();
            params = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
            params.insert("snapshot".to_owned(), (*parts.first()?).to_owned());
            params.extend(parts.get(2).map(|index| ("block".to_owned(), (*index).to_owned())));
        }
        if service == "scheduler" && *method == hyper::Method::GET && uri.path().starts_with("/schedules/") {
            "GetSchedule".clone_into(&mut action);
        }
        if service == "backup" {
            // `/restore-jobs/`, `/restore-jobs/ID` and `/restore-jobs/ID/validations`.
            let parts: Vec<_> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
            action = match (method.as_str(), parts.as_slice()) {
                ("GET", ["restore-jobs"]) => "ListRestoreJobs",
                ("GET", ["restore-jobs", _]) => "DescribeRestoreJob",
                ("PUT", ["restore-jobs", _, "validations"]) => "PutRestoreValidationResult",
                _ => "Unknown",
            }
            .to_owned();
            params = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
            params.extend(parts.get(1).map(|id| ("job".to_owned(), (*id).to_owned())));
        }
        let besides = rights::besides(headers).filter(|_| service == "s3");
        Some(Self { service: service.to_owned(), region: region.to_owned(), key_id: key_id.to_owned(), action, params, besides })
    }

    /// A parameter, or nothing.
    pub fn get(&self, name: &str) -> &str {
        self.params.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Whether any parameter begins so: `Tags.`.
    pub fn names(&self, prefix: &str) -> bool {
        self.params.keys().any(|name| name.starts_with(prefix))
    }

    /// Every right that it takes: a request that carries tags needs the right to tag as well.
    pub fn permissions(&self) -> Vec<String> {
        let tagging = match self.service.as_str() {
            "rds" if self.names("Tags.") => Some("rds:AddTagsToResource"),
            "elasticache" if self.names("Tags.") => Some("elasticache:AddTagsToResource"),
            "ec2" if self.names("TagSpecification.") => Some("ec2:CreateTags"),
            _ => None,
        };
        [Some(self.permission().as_str()), tagging, self.besides].into_iter().flatten().map(str::to_owned).collect()
    }

    /// As a policy names it: `rds:CreateDBSnapshot`.
    pub fn permission(&self) -> String {
        format!("{}:{}", self.service, self.action)
    }
}

/// A refusal in the words of the query protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// `InvalidDBInstanceState`.
    pub code: String,
    /// What a person reads.
    pub message: String,
}

impl Refusal {
    /// A refusal with status 400.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.to_owned(), message: message.into() }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// As this service would answer.
    pub fn answer(&self, service: &str) -> Response<Body> {
        let Self { status, code, message } = self;
        let json =
            matches!(service, "backup" | "ebs" | "kms" | "secretsmanager" | "logs" | "events" | "scheduler" | "lambda" | "monitoring");
        let (kind, body) = if json {
            ("application/x-amz-json-1.1", format!("{{\"__type\":{code:?},\"message\":{message:?}}}"))
        } else {
            let error = Node::with("Error", vec![Node::new("Type", "Sender"), Node::new("Code", code), Node::new("Message", message)]);
            let whole = match service {
                "s3" => error,
                "ec2" => Node::with("Response", vec![Node::with("Errors", vec![error]), Node::new("RequestID", "0")]),
                _ => Node::with("ErrorResponse", vec![error, Node::new("RequestId", "0")]),
            };
            ("text/xml", whole.write())
        };
        answer(*status, kind, body)
    }
}

/// An answer.
pub fn answer(status: u16, kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", HeaderValue::from_static(kind));
    response
}

/// The end of a connection without an answer.
pub fn hang_up() -> Failure {
    io::Error::from(io::ErrorKind::ConnectionReset).into()
}

/// Passes a request on and reads the whole answer.
pub async fn forward(server: SocketAddr, request: Request<Body>) -> Result<Response<Bytes>, Failure> {
    let socket = TcpStream::connect(server).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(Response::from_parts(head, to_bytes(Body::new(body), usize::MAX).await?))
}

/// A query request as moto takes it: it looks at who signed and for which region, and at no signature.
pub fn signed(
    moto: SocketAddr,
    key_id: &str,
    region: &str,
    service: &str,
    version: &str,
    action: &str,
    params: &[(&str, &str)],
) -> Request<Body> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(params).append_pair("Action", action).append_pair("Version", version);
    let credential = format!("{key_id}/20261120/{region}/{service}/aws4_request");
    Request::post("/")
        .header("host", moto.to_string())
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .header("authorization", format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"))
        .body(Body::from(form.finish()))
        .expect("a request")
}

/// Asks moto's RDS on behalf of whoever called.
pub async fn ask(moto: SocketAddr, call: &Call) -> Result<Node, Refusal> {
    ask_as(moto, call, "rds", "2014-10-31").await
}

/// Asks one of moto's services on behalf of whoever called.
pub async fn ask_as(moto: SocketAddr, call: &Call, service: &str, version: &str) -> Result<Node, Refusal> {
    let params = call.params.iter().filter(|(name, _)| !matches!(name.as_str(), "Action" | "Version"));
    let params: Vec<_> = params.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    answer_of(moto, signed(moto, &call.key_id, &call.region, service, version, &call.action, &params)).await
}

/// Sends a query request to moto and reads what it answers.
pub async fn answer_of(moto: SocketAddr, request: Request<Body>) -> Result<Node, Refusal> {
    let lost = |error: Failure| Refusal::new("InternalFailure", format!("moto: {error}")).with_status(500);
    let (head, body) = forward(moto, request).await.map_err(lost)?.into_parts();
    let text = String::from_utf8_lossy(&body);
    let Some(node) = Node::parse(&text) else {
        return Err(Refusal::new("InternalFailure", format!("moto: {} {text:.300}", head.status)).with_status(500));
    };
    if head.status.is_success() {
        return Ok(node);
    }
    let error = node.find("Error").cloned().unwrap_or_default();
    Err(Refusal::new(&error.get("Code"), error.get("Message")).with_status(head.status.as_u16()))
}
