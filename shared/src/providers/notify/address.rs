//! Where a message may go: https to anywhere but the addresses by which a machine hands out its own credentials.

use crate::error::{Error, Result, refused, retry};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use url::{Host, Url};

/// Reads a receiver's URL. The error never repeats it: it may carry a token.
pub(in crate::providers) fn read(text: &str) -> Result<Url> {
    let url = Url::parse(text.trim()).map_err(|_| refuse("it is not a URL"))?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(refuse("it has no host")),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => return Err(refuse("http goes to this machine only")),
        _ => return Err(refuse("its scheme is not https")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("it carries a user or a password"));
    }
    Ok(url)
}

fn refuse(why: &str) -> Error {
    refused(format!("the URL is not acceptable: {why}")).hint("give an https URL without user and password")
}

/// Returns the addresses of a URL's host, all of them acceptable: the ones that the request then goes to, and no others.
pub(in crate::providers) async fn resolve(url: &Url) -> Result<Vec<SocketAddr>> {
    let port = url.port_or_known_default().unwrap_or(443);
    match url.host() {
        Some(Host::Ipv4(address)) => acceptable(vec![(address, port).into()]),
        Some(Host::Ipv6(address)) => acceptable(vec![(address, port).into()]),
        Some(Host::Domain(name)) => resolve_host(name, port).await,
        None => acceptable(Vec::new()),
    }
}

/// Returns the addresses of a host, all of them acceptable.
pub(super) async fn resolve_host(name: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let looked_up = tokio::net::lookup_host((name, port)).await;
    acceptable(looked_up.map_err(|error| retry("its host could not be looked up").because(error))?.collect())
}

fn acceptable(found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>> {
    if found.is_empty() {
        return Err(retry("its host has no address"));
    }
    match found.iter().find(|address| is_forbidden(address.ip())) {
        Some(address) => Err(refused(format!("its host resolves to {}, where nothing is ever sent", address.ip()))
            .hint("link-local and metadata addresses hand out credentials; name the real receiver")),
        None => Ok(found),
    }
}

/// Link-local, unspecified, multicast and metadata addresses, in every spelling.
fn is_forbidden(address: IpAddr) -> bool {
    const ALIBABA_METADATA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
    const AWS_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    const GCP_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);
    match address {
        IpAddr::V4(v4) => {
            v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || v4 == ALIBABA_METADATA
                || v4.octets()[0] == 0
        }
        IpAddr::V6(v6) => {
            let embedded = v6.to_ipv4_mapped().or_else(|| nat64(v6)).or_else(|| six_to_four(v6));
            v6.is_unicast_link_local()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6 == AWS_METADATA
                || v6 == GCP_METADATA
                || embedded.is_some_and(|v4| is_forbidden(v4.into()))
        }
    }
}

/// `64:ff9b::/96` carries an IPv4 address at its end.
fn nat64(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    (segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0]).then(|| Ipv4Addr::from(u32::from(segments[6]) << 16 | u32::from(segments[7])))
}

/// `2002::/16` carries an IPv4 address after its prefix.
fn six_to_four(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    (segments[0] == 0x2002).then(|| Ipv4Addr::from(u32::from(segments[1]) << 16 | u32::from(segments[2])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_loopback_http_are_urls_of_receivers() {
        for good in
            ["https://hooks.example.com/x", "http://localhost:8080/x", "http://127.0.0.1:1", "http://[::1]:1/", "https://10.0.0.7/x"]
        {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in ["", "hooks", "http://hooks.example.com/x", "ftp://x/y", "file:///etc/passwd", "https://u:hunter2@x/", "https://"] {
            let error = read(bad).unwrap_err().full();
            assert!(!error.contains("hunter2") && !error.contains("hooks.example"), "{error}");
        }
    }

    #[test]
    fn r46_addresses_that_hand_out_credentials_are_forbidden_in_every_spelling() {
        for bad in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "fe80::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
        ] {
            assert!(is_forbidden(bad.parse().unwrap()), "{bad}");
        }
        for good in ["127.0.0.1", "10.0.0.7", "203.0.113.9", "::1", "2001:db8::1"] {
            assert!(!is_forbidden(good.parse().unwrap()), "{good}");
        }
    }

    #[tokio::test]
    async fn r46_a_metadata_url_is_refused_before_anything_is_sent() {
        for url in ["https://169.254.169.254/latest/meta-data", "https://[::ffff:169.254.169.254]/", "https://2852039166/"] {
            let error = resolve(&read(url).unwrap()).await.unwrap_err();
            assert!(error.full().contains("where nothing is ever sent"), "{error:?}");
        }
    }
}
