//! Mistakes that the simulation must find. Each is asked for where it would be made; outside of
//! tests the answer is a constant.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The position is committed apart from the rows.
    PositionApart,
    /// Clients are answered before the log is.
    AnsweredEarly,
    /// Clients of an unknown outcome are told that nothing was stored.
    UnknownIsFailed,
    /// What answers a second send is taken for an answer to both.
    SecondAnswerCounts,
    /// A refused group is committed.
    RefusedIsCommitted,
    /// An entry is applied across a gap.
    GapIgnored,
    /// An entry that is delivered again is applied again.
    AppliedTwice,
    /// An entry that was made on another state is applied.
    VoidApplied,
    /// The running hash leaves out what changes nothing.
    HashForgets,
    /// An attempt is taken for refused when another entry is seen in its place.
    SeenIsRefused,
    /// Entries are appended without a condition.
    Unconditional,
    /// What was executed under a key is executed again.
    KeyForgotten,
    /// A strong read is served by a barrier that was sent before it arrived.
    OldBarrier,
    /// A strong read is served before its barrier is folded.
    BarrierNotFolded,
    /// A session read does not wait for its position.
    SessionDoesNotWait,
    /// A repeated transaction may show something else than before.
    ReplayUnchecked,
    /// What a failed statement changed is sent.
    FailedRowsSent,
    /// What a failed transaction changed is sent with the next one.
    AbandonedRowsSent,
    /// More of the log is forgotten than snapshots cover.
    TrimmedTooFar,
    /// What the log has in the place of what was applied here is not looked at after an
    /// interruption.
    Uncompared,
    /// What was executed under a key is forgotten by who adopts a log that was begun anew.
    KeyNotCarried,
    /// A log that was begun anew from an earlier state than the own is followed, and what it has not is not saved.
    LostUnsaved,
    /// A log that was begun anew is followed although it does not go on from the own one.
    AnyLineage,
    /// The log in which a state is looked for may be another one than that of which it was to be.
    OtherLogRestored,
}

/// Whether the mistake is made here.
#[cfg(not(test))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

#[cfg(test)]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Makes a mistake on this thread from now on, or none.
#[cfg(test)]
pub(crate) fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}
