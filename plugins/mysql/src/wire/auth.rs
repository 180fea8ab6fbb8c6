//! Proving a password without sending it.

use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A way to prove a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// The default of MySQL 8 and newer
    /// (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>).
    /// The server knows the password, so the exchange is always the fast one.
    CachingSha2,
    /// What older clients and those of MariaDB know
    /// (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods_native_password_authentication.html>).
    Native,
}

/// Bytes of a challenge.
pub(crate) const CHALLENGE: usize = 20;

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CachingSha2 => "caching_sha2_password",
            Self::Native => "mysql_native_password",
        }
    }

    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        [Self::CachingSha2, Self::Native]
            .into_iter()
            .find(|method| method.name().as_bytes() == name)
    }

    /// Whether `proof` shows that the client knows the password. An empty password is proved by
    /// nothing.
    pub(crate) fn accepts(self, proof: &[u8], password: &str, challenge: &[u8]) -> bool {
        if password.is_empty() {
            return proof.is_empty() || proof == [0];
        }
        self.proof(password, challenge).ct_eq(proof).into()
    }

    /// What a client that knows the password sends.
    fn proof(self, password: &str, challenge: &[u8]) -> Vec<u8> {
        match self {
            // SHA256(password) XOR SHA256(SHA256(SHA256(password)) + challenge)
            Self::CachingSha2 => {
                let once = Sha256::digest(password);
                let mask = Sha256::new().chain_update(Sha256::digest(once)).chain_update(challenge);
                xor(&once, &mask.finalize())
            }
            // SHA1(password) XOR SHA1(challenge + SHA1(SHA1(password)))
            Self::Native => {
                let once = Sha1::digest(password);
                let mask = Sha1::new().chain_update(challenge).chain_update(Sha1::digest(once));
                xor(&once, &mask.finalize())
            }
        }
    }
}

/// A challenge of bytes that are neither NUL nor `$`, as MySQL's own are.
pub(crate) fn challenge() -> [u8; CHALLENGE] {
    std::array::from_fn(|_| match rand::random_range(1..=126_u8) {
        b'$' => 127,
        byte => byte,
    })
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(left, right)| left ^ right).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_is_proved_and_only_to_this_challenge() {
        for method in [Method::CachingSha2, Method::Native] {
            let asked = challenge();
            let proof = method.proof("secret", &asked);
            assert!(method.accepts(&proof, "secret", &asked));
            assert!(!method.accepts(&proof, "other", &asked));
            assert!(!method.accepts(&proof, "secret", &challenge()));
            assert!(!method.accepts(b"", "secret", &asked));
            assert!(method.accepts(b"", "", &asked) && !method.accepts(&proof, "", &asked));
        }
    }
}
