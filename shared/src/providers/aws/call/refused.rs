//! What a service says when it refuses: a code and a message, in XML or in JSON.

use aws_sdk_s3::error::{ErrorMetadata, ProvideErrorMetadata};
use quick_xml::{Reader, events::Event};
use serde::Deserialize;
use std::fmt;

/// A refusal.
#[derive(Debug)]
pub(in crate::providers::aws) struct Refused(ErrorMetadata);

impl Refused {
    /// Reads a refusal as far as it can be read: one without a code is told by its status.
    pub(in crate::providers::aws) fn read(named: Option<&str>, body: &[u8]) -> Self {
        let (code, message) = if body.trim_ascii_start().starts_with(b"<") { xml(body) } else { json(body) };
        let code = named.map(str::to_owned).or(code);
        let mut meta = ErrorMetadata::builder();
        if let Some(code) = code.as_deref().map(plain).filter(|code| !code.is_empty()) {
            meta = meta.code(code);
        }
        if let Some(message) = message {
            meta = meta.message(message);
        }
        Self(meta.build())
    }
}

/// `com.amazonaws.events#LimitExceededException:http://…` is `LimitExceededException`.
fn plain(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or(code);
    code.rsplit('#').next().unwrap_or(code).trim()
}

/// The first code and the first message of an XML reply, wherever they stand.
fn xml(body: &[u8]) -> (Option<String>, Option<String>) {
    let (mut code, mut message, mut reading) = (None, None, Vec::new());
    let mut reader = Reader::from_reader(body);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => reading = tag.local_name().as_ref().to_vec(),
            Ok(Event::Text(text)) => {
                let slot = match reading.as_slice() {
                    b"Code" => &mut code,
                    b"Message" | b"message" => &mut message,
                    _ => continue,
                };
                if let (None, Ok(text)) = (&slot, text.xml_content(quick_xml::XmlVersion::Implicit1_0)) {
                    *slot = Some(text.into_owned());
                }
            }
            Ok(Event::End(_)) => reading.clear(),
            Ok(Event::Eof) | Err(_) => return (code, message),
            Ok(_) => {}
        }
    }
}

#[derive(Deserialize, Default)]
struct Json {
    #[serde(rename = "__type", alias = "code", alias = "Code")]
    code: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
}

fn json(body: &[u8]) -> (Option<String>, Option<String>) {
    let Json { code, message } = serde_json::from_slice(body).unwrap_or_default();
    (code, message)
}

impl ProvideErrorMetadata for Refused {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(named: Option<&str>, body: &str) -> (String, String) {
        let Refused(meta) = Refused::read(named, body.as_bytes());
        (meta.code().unwrap_or_default().to_owned(), meta.message().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_refusal_is_read_in_every_protocol() {
        let ec2 = "<?xml version=\"1.0\"?>\n<Response><Errors><Error><Code>InvalidVolume.NotFound</Code><Message>no &amp; none</Message></Error></Errors><RequestID>x</RequestID></Response>";
        assert_eq!(read(None, ec2).0, "InvalidVolume.NotFound");
        let query = "<ErrorResponse><Error><Type>Sender</Type><Code>SnapshotQuotaExceededFault</Code><Message>full</Message></Error></ErrorResponse>";
        assert_eq!(read(None, query), ("SnapshotQuotaExceededFault".to_owned(), "full".to_owned()));
        let json = r#"{"__type":"com.amazonaws.events#ResourceNotFoundException","message":"no bus"}"#;
        assert_eq!(read(None, json), ("ResourceNotFoundException".to_owned(), "no bus".to_owned()));
        assert_eq!(
            read(Some("ValidationException:http://x/"), r#"{"Message":"bad"}"#),
            ("ValidationException".to_owned(), "bad".to_owned())
        );
    }

    #[test]
    fn what_cannot_be_read_is_a_refusal_without_a_code() {
        for body in ["", "<html><body>busy", "not found", "{\"message\":7}", "<a><Code></a>"] {
            assert_eq!(read(None, body).0, "", "{body}");
        }
    }
}
