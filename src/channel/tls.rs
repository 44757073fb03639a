//! One way to trust a server: the system's authorities, and those of the configuration's own file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// Why no TLS connection can be tried.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    #[error("failed to read the authorities in {}: {why}", file.display())]
    CaFile { file: PathBuf, why: String },
    #[error("{} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// Neither the system nor the configuration names an authority, so that no server could be believed.
    #[error("no authority to trust: the system has none and no file is configured")]
    NoAuthority,
    #[error("failed to set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

/// What a connection needs to check its server. Reads files: call it off the async threads. It is made anew for each
/// connection, so that a renewed authority is believed without a restart.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsFault> {
    let mut roots = RootCertStore::empty();
    // A system certificate that cannot be read or used is passed over: the others still serve.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca_file {
        let fault = |why: String| TlsFault::CaFile { file: file.to_owned(), why };
        let mut count = 0;
        for certificate in CertificateDer::pem_file_iter(file).map_err(|e| fault(e.to_string()))? {
            roots.add(certificate.map_err(|e| fault(e.to_string()))?)?;
            count += 1;
        }
        if count == 0 {
            return Err(TlsFault::NoCertificate(file.to_owned()));
        }
    }
    if roots.is_empty() {
        return Err(TlsFault::NoAuthority);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        std::fs::write(&file, "not a certificate\n").unwrap();
        assert!(matches!(client_config(Some(&file)), Err(TlsFault::NoCertificate(_))), "prose is not an authority");
        assert!(matches!(client_config(Some(&directory.path().join("absent.pem"))), Err(TlsFault::CaFile { .. })), "a wrong path is said");
    }
}
