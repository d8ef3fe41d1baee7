//! A message as programs read it: what webhooks are posted and topics are published. **Contract**: fields are added, never
//! changed.

use crate::{
    clock::Timestamp,
    domain::{
        finding::Finding,
        tell::{Alert, Digest, Message},
    },
    error::{Result, failed},
};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Body<'a> {
    version: u32,
    source: &'a str,
    function: &'a str,
    vault: &'a str,
    findings: Vec<Finding>,
    alerts: &'a [Alert],
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a Digest>,
    sent_at: Timestamp,
}

/// Returns a message as JSON.
pub(in crate::providers) fn json(message: &Message) -> Result<Vec<u8>> {
    let Message { function, vault, sent_at, alerts, digest } = message;
    let body = Body {
        version: 1,
        source: "lastgood",
        function,
        vault,
        findings: message.findings(),
        alerts,
        digest: digest.as_ref(),
        sent_at: *sent_at,
    };
    let value = serde_json::to_value(&body).map_err(|error| failed("writing the message").because(error))?;
    serde_json::to_vec(&crate::redact::json(value)).map_err(|error| failed("writing the message").because(error))
}
