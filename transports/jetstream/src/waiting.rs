use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How often the log says that nothing has changed.
const REMINDER: Duration = Duration::from_secs(10);

/// What a start waits for.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<Option<(String, Instant)>>);

impl Waiting {
    /// Notes the reason, and logs it if it is new or was not logged for a while.
    pub(crate) fn note(&self, reason: String) {
        let mut noted = self.0.lock();
        let is_known =
            |(known, logged): &(String, Instant)| *known == reason && logged.elapsed() < REMINDER;
        if !noted.as_ref().is_some_and(is_known) {
            tracing::info!("waiting for NATS: {reason}");
            *noted = Some((reason, Instant::now()));
        }
    }

    /// The last reason.
    pub(crate) fn reason(&self) -> Option<String> {
        self.0.lock().as_ref().map(|(reason, _)| reason.clone())
    }
}
