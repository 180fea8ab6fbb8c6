use std::collections::HashMap;
use std::sync::Arc;

use ha_core::Canceller;
use parking_lot::Mutex;
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::startup::SecretKey;
use subtle::ConstantTimeEq;

/// The connections that can be cancelled, by the number told in BackendKeyData.
#[derive(Debug, Default)]
pub(crate) struct Cancellers(Mutex<HashMap<i32, Entry>>);

#[derive(Debug)]
struct Entry {
    secret: Vec<u8>,
    canceller: Canceller,
}

/// Forgets its connection when it is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    cancellers: Arc<Cancellers>,
    pid: i32,
}

impl Cancellers {
    /// Lets whoever knows the secret stop the statements of connection `pid`.
    pub(crate) fn register(
        self: &Arc<Self>,
        pid: i32,
        secret: &SecretKey,
        canceller: Canceller,
    ) -> Registration {
        let entry = Entry { secret: secret.to_bytes().to_vec(), canceller };
        self.0.lock().insert(pid, entry);
        Registration { cancellers: Arc::clone(self), pid }
    }

    /// Stops the statement that the request names. A wrong secret has no effect and no answer.
    pub(crate) fn cancel(&self, request: &CancelRequest) {
        let canceller = self.0.lock().get(&request.pid).and_then(|entry| {
            let known = bool::from(entry.secret.ct_eq(&request.secret_key.to_bytes()));
            known.then(|| entry.canceller.clone())
        });
        if let Some(canceller) = canceller {
            canceller.cancel();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.cancellers.0.lock().remove(&self.pid);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn only_the_right_secret_cancels_and_only_while_the_connection_lives() {
        let count = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&count);
        let cancellers = Arc::new(Cancellers::default());
        let canceller = Canceller::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let registration = cancellers.register(7, &SecretKey::I32(99), canceller);
        let ask = |pid, key| cancellers.cancel(&CancelRequest::new(pid, SecretKey::I32(key)));
        ask(7, 98);
        ask(8, 99);
        assert_eq!(count.load(Ordering::Relaxed), 0);
        ask(7, 99);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        drop(registration);
        ask(7, 99);
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }
}
