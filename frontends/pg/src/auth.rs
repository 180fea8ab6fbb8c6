use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;
use ha_core::{Error, Result};
use pgwire::api::ClientInfo;
use pgwire::api::auth::mechanism::{AuthMechanism, AuthMechanismFactory};
use pgwire::api::auth::sasl::scram::{
    SCRAM_ITERATIONS, ScramAuth, ScramSecret, gen_salted_password,
};
use pgwire::api::auth::{AuthDriver, AuthSource, LoginInfo, Password, ServerParameterProvider};
use pgwire::error::{PgWireError, PgWireResult};
use sha2::{Digest, Sha256};

use crate::Options;
use crate::settings::Settings;
use crate::tls::Tls;

/// Who may log in, and how.
pub(crate) struct Authentication {
    driver: AuthDriver<Parameters>,
    plain: ScramAuth,
    /// Offers SCRAM-SHA-256-PLUS too. libpq refuses a server that offers it without TLS, so
    /// there are two.
    bound: ScramAuth,
}

impl Authentication {
    /// Takes the user from the options, and from the certificate what channel binding needs.
    pub(crate) fn new(options: &Options, tls: Option<&Tls>) -> Result<Self> {
        let source = Arc::new(Credentials::new(&options.user, &options.password));
        let plain = ScramAuth::new(source);
        let mut bound = plain.clone();
        if let Some(tls) = tls {
            bound.configure_certificate(&tls.certificate_pem).map_err(|error| {
                Error::config("pg-tls-cert", format!("channel binding is impossible: {error}"))
            })?;
        }
        Ok(Self { driver: AuthDriver::new(Parameters), plain, bound })
    }

    /// What sends the messages.
    pub(crate) fn driver(&self) -> &AuthDriver<impl ServerParameterProvider> {
        &self.driver
    }

    /// A fresh mechanism for a connection.
    pub(crate) fn mechanism(&self, secure: bool) -> Box<dyn AuthMechanism> {
        if secure { self.bound.create() } else { self.plain.create() }
    }
}

/// The parameters that are reported when a connection is made.
struct Parameters;

impl ServerParameterProvider for Parameters {
    fn server_parameters<C: ClientInfo>(&self, client: &C) -> Option<HashMap<String, String>> {
        let settings = client.session_extensions().get::<Settings>()?;
        Some(settings.reported().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// One user's SCRAM verifier, and made-up ones for everybody else.
struct Credentials {
    user: String,
    salt: Vec<u8>,
    salted_password: Vec<u8>,
    /// What made-up verifiers are derived from, so that an unknown user has the same salt in
    /// every attempt, as a known one has (RFC 5802, and PostgreSQL's `mock_scram_secret`).
    mock_key: [u8; 32],
}

impl Credentials {
    fn new(user: &str, password: &str) -> Self {
        let salt = rand::random::<[u8; 16]>().to_vec();
        let salted_password = gen_salted_password(password, &salt, SCRAM_ITERATIONS);
        Self { user: user.to_owned(), salt, salted_password, mock_key: rand::random() }
    }

    fn mock(&self, user: &str) -> (Vec<u8>, Vec<u8>) {
        let derive = |purpose: &[u8]| {
            let mut hash = Sha256::new();
            hash.update(self.mock_key);
            hash.update(purpose);
            hash.update(user.as_bytes());
            hash.finalize().to_vec()
        };
        (derive(b"salt")[..16].to_vec(), derive(b"password"))
    }
}

#[async_trait]
#[allow(elided_lifetimes_in_paths, reason = "the trait elides them, which is another signature")]
impl AuthSource for Credentials {
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        // SCRAM is the only mechanism, and it asks for the secret below.
        Err(PgWireError::InvalidPassword(login.user().unwrap_or_default().to_owned()))
    }

    async fn get_scram_secret(&self, login: &LoginInfo) -> PgWireResult<(ScramSecret, Option<()>)> {
        let user = login.user().unwrap_or_default();
        let (salt, salted) = if user == self.user {
            (self.salt.clone(), self.salted_password.clone())
        } else {
            self.mock(user)
        };
        Ok((ScramSecret::verifier_from_salted_password(salt, salted, SCRAM_ITERATIONS), None))
    }
}

impl Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn salt(credentials: &Credentials, user: &str) -> (Vec<u8>, usize) {
        let login = LoginInfo::new(Some(user), None, "127.0.0.1".into());
        match credentials.get_scram_secret(&login).await.unwrap().0 {
            ScramSecret::Verifier { salt, iterations, .. } => (salt, iterations),
            ScramSecret::SaltedPassword { .. } => panic!("a verifier is expected"),
        }
    }

    #[tokio::test]
    async fn an_unknown_user_looks_like_a_known_one() {
        let credentials = Credentials::new("ha", "secret");
        let known = salt(&credentials, "ha").await;
        let unknown = salt(&credentials, "eve").await;
        assert_eq!(unknown, salt(&credentials, "eve").await);
        assert_ne!(unknown.0, salt(&credentials, "mallory").await.0);
        assert_eq!((known.0.len(), known.1), (unknown.0.len(), unknown.1));
    }
}
