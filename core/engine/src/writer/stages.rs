use std::time::Duration;

use tokio::time::Instant;

/// Where the writer's time went.
#[derive(Debug, Default)]
pub(super) struct Stages {
    groups: u32,
    transactions: u64,
    execute: Duration,
    encode: Duration,
    append: Duration,
    commit: Duration,
    offered: Option<Instant>,
}

impl Stages {
    /// Transactions were executed in this time.
    pub(super) fn executed(&mut self, execute: Duration) {
        self.execute += execute;
    }

    /// A group was encoded in this time, and is offered to the log now.
    pub(super) fn offered(&mut self, encode: Duration) {
        self.encode += encode;
        self.offered = Some(Instant::now());
    }

    /// The log has acknowledged the group; it is committed from now on.
    pub(super) fn acknowledged(&mut self) {
        if let Some(offered) = self.offered.take() {
            self.append += offered.elapsed();
        }
    }

    /// The group of so many transactions was committed in this time.
    pub(super) fn committed(&mut self, transactions: usize, commit: Duration) {
        self.groups += 1;
        self.transactions += transactions as u64;
        self.commit += commit;
    }

    /// Logs the means per group.
    pub(super) fn report(&self) {
        if self.groups == 0 {
            return;
        }
        let mean = |total: Duration| total.as_micros() / u128::from(self.groups);
        tracing::info!(
            groups = self.groups,
            transactions = self.transactions,
            execute_us = mean(self.execute),
            encode_us = mean(self.encode),
            append_us = mean(self.append),
            commit_us = mean(self.commit),
            "the mean group of writes"
        );
    }
}
