//! The signature of a request with an account's key ("Shared Key").

use crate::error::{Result, invalid};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;

/// A request as it is signed. Header names are in lower case; the path is escaped, the query is not.
pub(super) struct Signed<'a> {
    pub(super) account: &'a str,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a [(&'static str, String)],
    pub(super) headers: &'a BTreeMap<&'static str, String>,
    pub(super) length: usize,
}

/// Whether this can be an account's key.
pub(super) fn check(key: &str) -> Result<Vec<u8>> {
    STANDARD.decode(key.trim()).map_err(|_| invalid("the account's key is not base64"))
}

/// Returns the `Authorization` header.
pub(super) fn authorization(request: &Signed<'_>, key: &str) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&check(key)?).map_err(|_| invalid("the account's key cannot be used"))?;
    mac.update(text(request).as_bytes());
    Ok(format!("SharedKey {}:{}", request.account, STANDARD.encode(mac.finalize().into_bytes())))
}

fn text(request: &Signed<'_>) -> String {
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let length = if request.length == 0 { String::new() } else { request.length.to_string() };
    let mut lines = vec![request.method.to_owned(), String::new(), String::new(), length, header("content-md5"), header("content-type")];
    // The date stands in x-ms-date.
    lines.extend([String::new(), String::new(), header("if-match"), header("if-none-match"), String::new(), header("range")]);
    lines.extend(request.headers.iter().filter(|(name, _)| name.starts_with("x-ms-")).map(|(name, value)| format!("{name}:{value}")));
    let mut resource = format!("/{}{}", request.account, request.path);
    let query: BTreeMap<_, _> = request.query.iter().map(|(name, value)| (*name, value)).collect();
    for (name, value) in query {
        resource.push_str(&format!("\n{name}:{value}"));
    }
    lines.push(resource);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_what_azure_says_it_is() {
        let headers =
            BTreeMap::from([("x-ms-version", "2015-02-21".to_owned()), ("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT".to_owned())]);
        let query = [("timeout", "20".to_owned()), ("restype", "container".to_owned()), ("comp", "metadata".to_owned())];
        let request = Signed { account: "myaccount", method: "GET", path: "/mycontainer", query: &query, headers: &headers, length: 0 };
        // The example of the documentation of Shared Key.
        assert_eq!(
            text(&request),
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"
        );
        assert!(authorization(&request, "not base64!").is_err());
    }
}
