//! How a connection is protected: libpq's `sslmode`, spelled out for rustls.

use super::url::{PgUrl, SslMode};
use crate::error::{Result, failed, invalid};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;
use std::{path::Path, sync::Arc};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Returns the TLS side of a connection to `url`.
pub(super) fn connector(url: &PgUrl) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed("setting TLS up").because(error))?;
    let config = match (url.ssl_mode, &url.ssl_root) {
        (SslMode::VerifyFull, None) => {
            builder.with_platform_verifier().map_err(|error| failed("reading the system's certificates").because(error))?
        }
        (SslMode::VerifyFull, Some(root)) => builder.with_webpki_verifier(pki(root, &provider)?),
        (SslMode::VerifyCa | SslMode::Require, Some(root)) => {
            let chain = Some(pki(root, &provider)?);
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Nameless { chain, provider }))
        }
        (SslMode::Disable | SslMode::Prefer | SslMode::Require | SslMode::VerifyCa, _) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Nameless { chain: None, provider }))
        }
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

fn pki(file: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>> {
    let refuse = |why: &str| invalid(format!("sslrootcert {} {why}", file.display())).hint("name a PEM file with the roots to trust");
    let pem = std::fs::read(file).map_err(|_| refuse("cannot be read"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| refuse("holds something else than certificates"))?;
        roots.add(certificate).map_err(|_| refuse("holds something else than certificates"))?;
    }
    if roots.is_empty() {
        return Err(refuse("holds no certificate"));
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| failed("setting TLS up").because(error))
}

/// Verification short of the server's name: by its chain alone (`verify-ca`), or, without roots, not at all (what libpq's
/// `prefer` and `require` mean without a root: encryption without identity).
#[derive(Debug)]
struct Nameless {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Nameless {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The chain is checked before the name, so this is all that was left to object to.
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
