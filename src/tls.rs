//! What TLS trusts: the platform's authorities, and the certificates that the operator names.

use std::env;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme,
};
use rustls_platform_verifier::Verifier as Platform;
use webpki::anchor_from_trusted_cert;

/// Reads the certificates once and for all. So it fails if one cannot be read for a moment, as when the process has too
/// many open files, and the next request tries again.
pub fn config() -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let extra = certificates("NODE_EXTRA_CA_CERTS")?;
    let named = certificates("SSL_CERT_FILE")?;
    let verifier = Verifier {
        platform: platform(&extra, &provider)?,
        named: extra.into_iter().chain(named).collect(),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// From the file that a variable names. A file that cannot be read is ignored, as in Node, unless that is temporary.
fn certificates(variable: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let Some(path) = env::var_os(variable) else { return Ok(Vec::new()) };
    let pem = match fs::read(path) {
        Err(error) if is_temporary(&error) => {
            let message = format!("the file of {variable} could not be read: {error}");
            return Err(Error::General(message));
        }
        pem => pem.unwrap_or_default(),
    };
    let certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    Ok(certificates.filter(|it| anchor_from_trusted_cert(it).is_ok()).collect())
}

/// Whether reading may succeed later, unlike for a loop of links or a name that is too long.
fn is_temporary(error: &io::Error) -> bool {
    /// `ENFILE` and `EMFILE`, and their counterpart on Windows, which have no `ErrorKind`.
    const TOO_MANY_FILES: &[i32] = if cfg!(windows) { &[4] } else { &[23, 24] };
    let kinds = [ErrorKind::OutOfMemory, ErrorKind::StaleNetworkFileHandle, ErrorKind::TimedOut];
    error.raw_os_error().is_some_and(|code| TOO_MANY_FILES.contains(&code))
        || kinds.contains(&error.kind())
}

fn platform(
    extra: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Platform, Error> {
    let system = Platform::new(Arc::clone(provider));
    if extra.is_empty() && system.is_ok() {
        return system;
    }
    // The error does not say why. If no file at all can be opened now, the next request tries again.
    if system.is_err() && File::open("/").is_err_and(|error| is_temporary(&error)) {
        return system;
    }
    // Slim containers have no certificates.
    let public = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter(|_| system.is_err());
    Platform::new_with_extra_roots(extra.iter().chain(public).cloned(), Arc::clone(provider))
}

/// The platform's verifier, with one exception. It refuses a CA certificate as that of a server (rustls/webpki#205),
/// but that is what `openssl req -x509` makes. If the operator named that very certificate, it is trusted to sign for
/// any server, and so it is accepted from the server whose name it has.
#[derive(Debug)]
struct Verifier {
    platform: Platform,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.platform
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .or_else(|error| {
                let is_named = self.named.iter().any(|named| named == end_entity);
                if !is_ca_used_as_end_entity(&error) || !is_named {
                    return Err(error);
                }
                // The validity period was checked before the platform's verifier came to this error.
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.platform.supported_verify_schemes()
    }
}

fn is_ca_used_as_end_entity(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) = error else {
        return false;
    };
    matches!(cause.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}
