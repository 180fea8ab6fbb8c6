//! Asking a node over HTTP.

use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{RootCerts, TlsConfig};

use crate::secret::Secret;
use crate::values::Optional;

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// How long it may take to change the cluster: the node asks twenty times, for up to four seconds.
const CHANGE: Duration = Duration::from_secs(100);

/// What lets a client in.
#[derive(Debug, clap::Args)]
pub(crate) struct Access {
    /// Token of the node's HTTP front-end
    #[arg(
        long,
        value_name = "TOKEN",
        env = "HA_HTTP_TOKEN",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    token: Optional<Secret>,
}

/// Asks one node.
#[derive(Debug)]
pub(crate) struct Client {
    url: String,
    token: Option<Secret>,
    agent: ureq::Agent,
}

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Client {
    /// For the node at `url`; without a scheme it is `http://`. Behind `https://` must be a
    /// certificate that this machine trusts, or one of those in the file `SSL_CERT_FILE`.
    pub(crate) fn new(url: &str, access: &Access) -> Self {
        let url = url.trim_end_matches('/');
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .proxy(None)
            .tls_config(tls())
            .build();
        Self { url, token: access.token.0.clone(), agent: config.into() }
    }

    /// The node's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// `GET path`; the error is one line.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, String> {
        let request = self.agent.get(format!("{}{path}", self.url));
        Self::answer(self.authorized(request).call())
    }

    /// `DELETE path`; the error is one line.
    pub(crate) fn delete(&self, path: &str) -> Result<Answer, String> {
        let request = self.agent.delete(format!("{}{path}", self.url));
        let request = request.config().timeout_global(Some(CHANGE)).build();
        Self::answer(self.authorized(request).call())
    }

    fn authorized(
        &self,
        request: ureq::RequestBuilder<ureq::typestate::WithoutBody>,
    ) -> ureq::RequestBuilder<ureq::typestate::WithoutBody> {
        match &self.token {
            Some(token) => request.header("Authorization", format!("Bearer {}", token.expose())),
            None => request,
        }
    }

    fn answer(
        called: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer, String> {
        let mut response = called.map_err(|error| error.to_string())?;
        let body = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
        Ok(Answer { status: response.status().as_u16(), body })
    }
}

fn tls() -> TlsConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(provider)
        .build()
}
