//! What TLS trusts: the system's authorities, and those that the configuration names.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// Why no TLS connection could ever be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// The file of further authorities cannot be read, or holds none.
    #[error("failed to read authorities from {}: {why}", path.display())]
    Authorities { path: PathBuf, why: String },
    /// The TLS library refuses its own defaults.
    #[error("failed to set up TLS: {0}")]
    Library(#[from] rustls::Error),
}

/// A client configuration that trusts the system's authorities and those in `ca_file` (PEM).
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsFault> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let fault = |why: String| TlsFault::Authorities { path: path.to_owned(), why };
        for certificate in CertificateDer::pem_file_iter(path).map_err(|e| fault(e.to_string()))? {
            roots.add(certificate.map_err(|e| fault(e.to_string()))?).map_err(|e| fault(e.to_string()))?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
