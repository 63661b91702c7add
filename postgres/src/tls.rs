//! TLS, by way of rustls.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::Encryption;
use crate::error::StoreOpenError;

/// How connections are encrypted; `None`: they are not.
pub(crate) fn connector(
    encryption: Encryption,
    certificates: Option<&Path>,
) -> Result<Option<MakeRustlsConnect>, StoreOpenError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let config = config.map_err(|error| StoreOpenError::Tls(error.into()))?;
    let config = match encryption {
        Encryption::Disable => return Ok(None),
        Encryption::Prefer | Encryption::Require => {
            config.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        }
        Encryption::VerifyFull => config.with_root_certificates(trusted(certificates)?),
    };
    let mut config = config.with_no_client_auth();
    // Newer servers ask for it where TLS begins at once (`sslnegotiation=direct`).
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(Some(MakeRustlsConnect::new(config)))
}

fn trusted(certificates: Option<&Path>) -> Result<RootCertStore, StoreOpenError> {
    let mut trusted = RootCertStore::empty();
    match certificates {
        Some(path) => {
            let found = CertificateDer::pem_file_iter(path).map_err(|error| StoreOpenError::Tls(error.into()))?;
            for certificate in found {
                let certificate = certificate.map_err(|error| StoreOpenError::Tls(error.into()))?;
                trusted.add(certificate).map_err(|error| StoreOpenError::Tls(error.into()))?;
            }
        }
        // Some of those that a system has are often not understood.
        None => drop(trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    if trusted.is_empty() {
        return Err(StoreOpenError::Tls("there is no certificate to trust: name one with sslrootcert".into()));
    }
    Ok(trusted)
}

/// Takes whatever certificate is shown: `sslmode=prefer` and `require` without certificates to trust. Who listens learns
/// nothing; who stands in between does.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
