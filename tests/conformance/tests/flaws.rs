//! The suite finds what it is for: a front-end with a flaw fails the checks of that flaw, and no
//! others of their groups.

#[path = "support/flawed.rs"]
#[allow(unreachable_pub, reason = "a module of a test")]
mod flawed;

use std::panic::AssertUnwindSafe;

use flawed::Flaw;
use futures::FutureExt as _;
use ha_conformance::frontend::checks;

/// Asserts that of the groups that are in `expected`, exactly these checks fail.
async fn fails(flaw: Flaw, expected: &[&str]) {
    let group = |name: &str| name.split_once("::").map(|(group, _)| group.to_owned());
    let mut failed = Vec::new();
    for check in checks::<Flaw>() {
        let concerned = expected.iter().any(|name| group(name) == group(check.name()));
        if concerned && AssertUnwindSafe(check.run(&flaw)).catch_unwind().await.is_err() {
            failed.push(check.name());
        }
    }
    assert_eq!(failed, expected);
}

macro_rules! flaws {
    ($($test:ident: $flaw:ident => [$($check:literal),+])*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            fails(Flaw::$flaw, &[$($check),+]).await;
        }
    )*};
}

flaws! {
    hanging_up_at_the_stop_is_found: Abrupt => ["clients::stop_finishes_what_is_in_flight"]
    transactions_that_are_none_are_found: Autocommit => [
        "sessions::a_transaction_is_isolated",
        "sessions::rollback_leaves_nothing",
        "sessions::disconnect_rolls_back"
    ]
    ending_over_garbage_is_found: Delicate => ["service::garbage_harms_nobody"]
    hanging_up_after_errors_is_found: HangsUp => [
        "writes::batch_is_atomic",
        "errors::error_leaves_session_usable",
        "errors::syntax_error_is_reported"
    ]
    a_port_that_stays_open_is_found: Lingers => ["service::stop_closes_the_listener"]
    errors_that_are_hidden_are_found: Mute => [
        "writes::batch_is_atomic",
        "errors::error_leaves_session_usable",
        "errors::syntax_error_is_reported"
    ]
    batches_in_pieces_are_found: Piecemeal => ["writes::batch_is_atomic"]
    values_that_are_changed_are_found: Rounds => ["values::select_types"]
    results_that_are_cut_are_found: Truncates => ["values::large_result"]
}

mod without_flaws {
    use super::flawed::Flaw;

    ha_conformance::frontend_suite!(Flaw::None);
}
