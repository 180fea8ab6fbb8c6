//! The suite finds what it is for: a front-end or a transport with a flaw fails the checks of that
//! flaw, and no others of their groups.

#[path = "support/flawed.rs"]
#[allow(unreachable_pub, reason = "a module of a test")]
mod flawed;
#[path = "support/unverified.rs"]
#[allow(unreachable_pub, reason = "a module of a test")]
mod unverified;

use std::panic::AssertUnwindSafe;

use flawed::Flaw;
use futures::FutureExt as _;
use ha_conformance::{Check, frontend, transport};

/// Asserts that of the groups that are in `expected`, exactly these checks fail.
async fn fails<F>(flaw: F, checks: Vec<Check<F>>, expected: &[&str]) {
    let group = |name: &str| name.split_once("::").map(|(group, _)| group.to_owned());
    let mut failed = Vec::new();
    for check in checks {
        let concerned = expected.iter().any(|name| group(name) == group(check.name()));
        if concerned && AssertUnwindSafe(check.run(&flaw)).catch_unwind().await.is_err() {
            failed.push(check.name());
        }
    }
    assert_eq!(failed, expected);
}

macro_rules! flaws {
    ($checks:expr; $($test:ident: $flaw:expr => [$($check:literal),+])*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            fails($flaw, $checks, &[$($check),+]).await;
        }
    )*};
}

flaws! {
    frontend::checks();
    hanging_up_at_the_stop_is_found: Flaw::Abrupt => ["clients::stop_finishes_what_is_in_flight"]
    transactions_that_are_none_are_found: Flaw::Autocommit => [
        "sessions::a_transaction_is_isolated",
        "sessions::rollback_leaves_nothing",
        "sessions::disconnect_rolls_back"
    ]
    ending_over_garbage_is_found: Flaw::Delicate => ["service::garbage_harms_nobody"]
    hanging_up_after_errors_is_found: Flaw::HangsUp => [
        "writes::batch_is_atomic",
        "errors::error_leaves_session_usable",
        "errors::syntax_error_is_reported"
    ]
    a_port_that_stays_open_is_found: Flaw::Lingers => ["service::stop_closes_the_listener"]
    errors_that_are_hidden_are_found: Flaw::Mute => [
        "writes::batch_is_atomic",
        "errors::error_leaves_session_usable",
        "errors::syntax_error_is_reported"
    ]
    batches_in_pieces_are_found: Flaw::Piecemeal => ["writes::batch_is_atomic"]
    values_that_are_changed_are_found: Flaw::Rounds => ["values::select_types"]
    results_that_are_cut_are_found: Flaw::Truncates => ["values::large_result"]
}

flaws! {
    transport::checks();
    snapshots_that_are_believed_are_found: unverified::Flaw::Believes => [
        "snapshot::a_torn_snapshot_is_never_seen",
        "snapshot::a_snapshot_is_listed_only_once_it_is_verified",
        "snapshot::a_snapshot_may_be_stored_twice"
    ]
    snapshots_that_are_listed_too_early_are_found: unverified::Flaw::Hasty => [
        "snapshot::a_snapshot_is_listed_only_once_it_is_verified"
    ]
    snapshots_that_are_lost_to_broken_ones_are_found: unverified::Flaw::Overwrites => [
        "snapshot::a_snapshot_may_be_stored_twice"
    ]
    lengths_that_are_not_compared_are_found: unverified::Flaw::Shallow => [
        "snapshot::a_snapshot_is_listed_only_once_it_is_verified"
    ]
}

mod without_flaws {
    use super::flawed::Flaw;

    ha_conformance::frontend_suite!(Flaw::None);
}

mod unverified_without_flaws {
    use super::unverified::Flaw;

    ha_conformance::transport_suite!(Flaw::None);
}
