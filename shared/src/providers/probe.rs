//! One HTTP question to something that a restore should have brought back to life.
//!
//! It never follows a redirect, never talks to link-local addresses (where clouds keep their credentials), reads little
//! and waits briefly.

use crate::error::{During, Result, failed, invalid, refused, retry};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(15);
const MOST: usize = 64 << 10;

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, at most 64 KiB of it.
    pub body: String,
}

/// Asks a URL.
pub async fn get(url: &str) -> Result<Answer> {
    let url = url::Url::parse(url).map_err(|error| invalid("the check's URL is not one").because(error))?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(refused("a check asks http:// or https:// URLs without credentials"));
    }
    let host = url.host_str().ok_or_else(|| invalid("the check's URL names no host"))?.to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let found = tokio::net::lookup_host((host.trim_matches(['[', ']']), port))
        .await
        .map_err(|error| retry("the host is not known").because(error))?;
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() || addresses.iter().any(|address| forbidden(address.ip())) {
        return Err(refused(format!("{host} leads to an address that a check never asks")));
    }
    super::tls::settle();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .resolve_to_addrs(&host, &addresses)
        .build()
        .map_err(|error| failed("making an HTTP client").because(error))?;
    // Not even the error repeats the query, which may hold a token.
    let asked = client.get(url).send().await.map_err(|error| retry("no answer").because(error.without_url()));
    let mut response = asked.during(format!("asking {host}"))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while body.len() < MOST {
        let chunk = response.chunk().await.map_err(|error| retry("the answer broke off").because(error.without_url()))?;
        let Some(chunk) = chunk else { break };
        body.extend_from_slice(&chunk);
    }
    body.truncate(MOST);
    Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
}

/// A URL as evidence shows it: without query and fragment.
pub fn shown(url: &str) -> String {
    crate::redact::clip(url.split(['?', '#']).next().unwrap_or_default(), 120)
}

/// Addresses where nothing that was restored can be: link-local (cloud metadata), multicast, unspecified.
fn forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_multicast() || v4.is_broadcast() || v4.is_unspecified(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => forbidden(IpAddr::V4(v4)),
            // fd00:ec2::/32 is where EC2 answers over IPv6.
            None => v6.is_unicast_link_local() || v6.is_multicast() || v6.is_unspecified() || v6.segments()[..2] == [0xfd00, 0x0ec2],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[tokio::test]
    async fn r46_the_metadata_service_is_never_asked() {
        for url in [
            "http://169.254.169.254/latest/meta-data/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fd00:ec2::254]/",
            "http://[fe80::1]/",
            "http://0.0.0.0:80/",
            "file:///etc/passwd",
            "http://user:secret@127.0.0.1/",
        ] {
            let error = get(url).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Refused, "{url}: {error:?}");
            assert!(!error.full().contains("secret"));
        }
    }

    #[tokio::test]
    async fn an_answer_is_read_and_a_redirect_is_not_followed() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            for answer in [
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nready",
                "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
            ] {
                let (mut socket, _) = listener.accept().await.unwrap();
                let _ = socket.read(&mut [0; 1024]).await.unwrap();
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let url = format!("http://127.0.0.1:{port}/health?token=x");
        assert_eq!(get(&url).await.unwrap(), Answer { status: 200, body: "ready".to_owned() });
        assert_eq!(get(&url).await.unwrap().status, 302);
        assert_eq!(shown(&url), format!("http://127.0.0.1:{port}/health"));
        server.await.unwrap();
    }
}
