//! Whom collectors that speak no HTTP trust: an own certificate authority alone, or what the machine trusts.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use super::http::SetupError;

/// Largest PEM file.
const MAX_FILE: u64 = 16 << 20;

/// The bytes of a PEM file with at least one certificate.
///
/// # Errors
/// If it cannot be read or holds none.
pub(super) fn pem(path: &Path) -> Result<Vec<u8>, SetupError> {
    let bad = |problem: String| SetupError::Ca { path: path.to_owned(), problem };
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|f| f.take(MAX_FILE).read_to_end(&mut bytes));
    read.map_err(|e| bad(e.to_string()))?;
    roots(&bytes).map_err(bad)?;
    Ok(bytes)
}

fn roots(bytes: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bytes) {
        roots.add(certificate.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    }
    if roots.is_empty() { Err("holds no certificate".into()) } else { Ok(roots) }
}

/// TLS 1.2 and 1.3 with the one provider of this program.
///
/// # Errors
/// If the file is not usable.
pub(super) fn config(ca: Option<&Path>) -> Result<ClientConfig, SetupError> {
    let refused = |e: rustls::Error| SetupError::Tls(e.to_string());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    let Some(path) = ca else {
        return Ok(builder.with_platform_verifier().map_err(refused)?.with_no_client_auth());
    };
    let bad = |problem| SetupError::Ca { path: path.to_owned(), problem };
    let roots = roots(&pem(path)?).map_err(bad)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
