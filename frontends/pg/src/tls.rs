use std::sync::Arc;

use ha_core::{Error, Result};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::TlsFiles;

/// What serves TLS, and the PEM text of the certificate that channel binding needs.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) certificate_pem: Vec<u8>,
}

impl Tls {
    /// Reads the files. [`Error::Config`] says which one is wrong.
    pub(crate) async fn load(files: &TlsFiles) -> Result<Self> {
        let certificate_pem = read("pg-tls-cert", &files.certificate).await?;
        let key_pem = read("pg-tls-key", &files.key).await?;
        let chain = CertificateDer::pem_slice_iter(&certificate_pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| bad("pg-tls-cert", &error))?;
        let key =
            PrivateKeyDer::from_pem_slice(&key_pem).map_err(|error| bad("pg-tls-key", &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| bad("pg-tls-cert", &error))?;
        // What a client with sslnegotiation=direct asks for.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate_pem })
    }
}

async fn read(key: &str, path: &std::path::Path) -> Result<Vec<u8>> {
    tokio::fs::read(path)
        .await
        .map_err(|error| Error::config(key, format!("cannot read {}: {error}", path.display())))
}

fn bad(key: &str, error: &impl std::fmt::Display) -> Error {
    Error::config(key, format!("not a usable PEM file: {error}"))
}
