//! A throw-away certificate authority, and one certificate of it for this machine. Tests that run at the same time share one.

use super::scratch::Scratch;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Files in PEM, readable by every user.
pub struct Authority {
    pub ca_pem: PathBuf,
    pub server_pem: PathBuf,
    pub server_key: PathBuf,
    /// An authority that has signed nothing of ours.
    pub stranger_pem: PathBuf,
    _scratch: Scratch,
}

/// The present one; it goes with the last server that holds it.
pub fn authority() -> Arc<Authority> {
    static PRESENT: Mutex<Weak<Authority>> = Mutex::new(Weak::new());
    let mut present = PRESENT.lock().unwrap_or_else(PoisonError::into_inner);
    present.upgrade().unwrap_or_else(|| {
        let authority = Arc::new(make(Scratch::new("tls")));
        *present = Arc::downgrade(&authority);
        authority
    })
}

/// Accepts TLS with the server's certificate.
pub fn acceptor(authority: &Authority) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(&authority.server_pem).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&authority.server_key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn make(scratch: Scratch) -> Authority {
    let dir = scratch.path();
    let openssl = |args: &[&str]| {
        let output = Command::new("openssl").args(args).current_dir(dir).output().expect("openssl is installed (see tests/run)");
        assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let own_authority = |name: &str, key: &str, pem: &str| {
        openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key]);
        let subject = format!("/CN={name}");
        openssl(&[
            "req",
            "-x509",
            "-new",
            "-key",
            key,
            "-days",
            "30",
            "-subj",
            &subject,
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-out",
            pem,
        ]);
    };
    own_authority("guichet test authority", "ca.key", "ca.pem");
    own_authority("stranger", "stranger.key", "stranger.pem");
    openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "server.key.ec"]);
    openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", "server.key.ec", "-out", "server.key"]);
    openssl(&["req", "-new", "-key", "server.key", "-subj", "/CN=localhost", "-out", "server.csr"]);
    let extensions = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n";
    std::fs::write(dir.join("server.ext"), extensions).unwrap();
    openssl(&[
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "30",
        "-extfile",
        "server.ext",
        "-out",
        "server.pem",
    ]);
    let authority = Authority {
        ca_pem: dir.join("ca.pem"),
        server_pem: dir.join("server.pem"),
        server_key: dir.join("server.key"),
        stranger_pem: dir.join("stranger.pem"),
        _scratch: scratch,
    };
    for path in [&authority.ca_pem, &authority.server_pem, &authority.server_key] {
        use std::os::unix::fs::PermissionsExt;
        // The key protects nothing: servers that drop their rights must be able to read it.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    authority
}

/// Copies the certificate, its key and the authority into a server's own directory.
pub fn install_into(authority: &Authority, dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    for path in [&authority.ca_pem, &authority.server_pem, &authority.server_key] {
        std::fs::copy(path, dir.join(path.file_name().unwrap())).unwrap();
    }
}
