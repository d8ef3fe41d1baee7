//! The cryptography of every TLS connection.

/// Makes ring what every connection of this process uses that does not bring its own. Doing it again changes nothing.
pub fn settle() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
