use std::fmt;
use std::time::Duration;

use futures::future::LocalBoxFuture;

/// Far more than any check takes; only what hangs gets there.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a check; one that hangs fails.
pub async fn run(check: impl Future<Output = ()>) {
    tokio::time::timeout(LIMIT, check).await.expect("the check does not hang");
}

/// A check and its name.
pub struct Check<F> {
    name: &'static str,
    body: Body<F>,
}

type Body<F> = for<'a> fn(&'a F) -> LocalBoxFuture<'a, ()>;

impl<F> Check<F> {
    #[doc(hidden)]
    #[must_use]
    pub fn new(name: &'static str, body: Body<F>) -> Self {
        Self { name, body }
    }

    /// Its group and name, `append::payloads_are_opaque`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs it; panics if it fails or hangs.
    pub async fn run(&self, fixture: &F) {
        run((self.body)(fixture)).await;
    }
}

impl<F> fmt::Debug for Check<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}
