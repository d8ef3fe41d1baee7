//! Signed calls to services of which we need too little to link their SDK: EC2's alone takes minutes and gigabytes to compile,
//! and each SDK makes every function larger. What is asked and answered is the caller's; credentials, signature, retries,
//! time limits and endpoints are the SDK's own, so that such a call behaves as any other.

mod refused;
mod service;

pub(super) use refused::Refused;
pub(super) use service::Service;

use aws_config::SdkConfig;
use aws_runtime::{
    auth::{SigV4OperationSigningConfig, sigv4},
    retries::classifiers::AwsErrorCodeClassifier,
};
use aws_sdk_s3::{config::http::HttpResponse, error::SdkError};
use aws_smithy_runtime::client::{
    orchestrator::operation::Operation,
    retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        auth::{
            AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
            static_resolver::StaticAuthSchemeOptionResolver,
        },
        identity::SharedIdentityResolver,
        orchestrator::{HttpRequest, OrchestratorError},
        runtime_components::RuntimeComponentsBuilder,
        runtime_plugin::StaticRuntimePlugin,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::Layer, retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SigningName, region::SigningRegion};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What went wrong with a call, as with any of the SDK's.
pub(super) type CallError = SdkError<Refused, HttpResponse>;

/// The way to one service in one region. Keep it: it remembers its credentials.
#[derive(Debug, Clone)]
pub(super) struct Call {
    service: Service,
    operation: Operation<Request, Reply, Refused>,
}

/// A request before it is signed.
#[derive(Debug)]
struct Request {
    method: &'static str,
    path_and_query: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// A header's value; names are in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

impl Call {
    /// Calls that may be sent again when no answer comes.
    pub(super) fn new(config: &SdkConfig, service: Service) -> Self {
        Self::made(config, service, &config.retry_config().cloned().unwrap_or_else(RetryConfig::standard))
    }

    /// Calls that are sent once: what they begin would be begun twice, and its service has no token that tells. The caller
    /// looks before it asks again.
    pub(super) fn once(config: &SdkConfig, service: Service) -> Self {
        Self::made(config, service, &RetryConfig::standard().with_max_attempts(1))
    }

    fn made(config: &SdkConfig, service: Service, retries: &RetryConfig) -> Self {
        let region = config.region().map_or("us-east-1", AsRef::as_ref).to_owned();
        let mut builder = Operation::builder()
            .service_name(service.name())
            .operation_name("call")
            .endpoint_url(&service.endpoint(config, &region))
            .standard_retry(retries)
            .timeout_config(config.timeout_config().cloned().unwrap_or_else(|| TimeoutConfig::builder().build()))
            .retry_classifier(TransientErrorClassifier::<Refused>::new())
            .retry_classifier(HttpStatusCodeClassifier::default())
            .retry_classifier(AwsErrorCodeClassifier::<Refused>::new())
            .with_connection_poisoning();
        if let Some(client) = config.http_client() {
            builder = builder.http_client(client);
        }
        if let Some(sleep) = config.sleep_impl() {
            builder = builder.sleep_impl(sleep);
        }
        if let Some(time) = config.time_source() {
            builder = builder.time_source(time);
        }
        let operation = builder.runtime_plugin(signed(config, service, region)).serializer(serialized).deserializer(read).build();
        Self { service, operation }
    }

    /// A call of the query protocol: parameters in, XML out.
    pub(super) async fn query(&self, action: &str, parameters: &[(&str, String)]) -> Result<Vec<u8>, CallError> {
        let fixed = [("Action", action), ("Version", self.service.version())];
        let given = parameters.iter().map(|(name, value)| (*name, value.as_str()));
        let form: Vec<_> =
            fixed.into_iter().chain(given).map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ESCAPED))).collect();
        let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        let request = Request { method: "POST", path_and_query: "/".to_owned(), headers, body: form.join("&").into_bytes() };
        Ok(self.operation.invoke(request).await?.body)
    }

    /// A call of the JSON protocol: `AWSEvents.PutEvents`.
    pub(super) async fn json(&self, target: &str, body: &serde_json::Value) -> Result<Vec<u8>, CallError> {
        let headers = vec![("content-type", "application/x-amz-json-1.1".to_owned()), ("x-amz-target", target.to_owned())];
        let request = Request { method: "POST", path_and_query: "/".to_owned(), headers, body: body.to_string().into_bytes() };
        Ok(self.operation.invoke(request).await?.body)
    }

    /// A call of the REST protocol. The path must be escaped: see [`escaped`].
    pub(super) async fn rest(
        &self,
        method: &'static str,
        path_and_query: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Reply, CallError> {
        let headers = body.map(|_| ("content-type", "application/json".to_owned())).into_iter().collect();
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.operation.invoke(Request { method, path_and_query: path_and_query.to_owned(), headers, body }).await
    }
}

/// One segment of a path, or one value of a query.
pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// How requests are signed, and with whose credentials.
fn signed(config: &SdkConfig, service: Service, region: String) -> StaticRuntimePlugin {
    let mut layer = Layer::new("signature");
    layer.store_put(SigningName::from(service.signing_name()));
    layer.store_put(SigningRegion::from(aws_config::Region::new(region)));
    layer.store_put(SigV4OperationSigningConfig::default());
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    let mut parts = RuntimeComponentsBuilder::new("signature");
    parts.push_auth_scheme(SharedAuthScheme::new(sigv4::SigV4AuthScheme::new()));
    parts.set_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(StaticAuthSchemeOptionResolver::new(vec![
        sigv4::SCHEME_ID,
    ]))));
    if let Some(provider) = config.credentials_provider() {
        parts.set_identity_resolver(sigv4::SCHEME_ID, SharedIdentityResolver::new(provider));
    }
    if let Some(cache) = config.identity_cache() {
        parts.set_identity_cache(Some(cache));
    }
    StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(parts)
}

fn serialized(request: Request) -> Result<HttpRequest, BoxError> {
    let mut made = HttpRequest::new(SdkBody::from(request.body));
    made.set_method(request.method)?;
    made.set_uri(request.path_and_query)?;
    for (name, value) in request.headers {
        made.headers_mut().try_insert(name, value)?;
    }
    Ok(made)
}

fn read(response: &HttpResponse) -> Result<Reply, OrchestratorError<Refused>> {
    let body = response.body().bytes().unwrap_or_default();
    if !response.status().is_success() {
        return Err(OrchestratorError::operation(Refused::read(response.headers().get("x-amzn-errortype"), body)));
    }
    let headers = response.headers().iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Ok(Reply { headers, body: body.to_vec() })
}

#[cfg(test)]
mod tests;
