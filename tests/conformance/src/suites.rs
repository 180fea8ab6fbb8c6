//! Which checks there are. Each list is told to another macro, which makes tests or values of it.

/// One `#[tokio::test]` per check of [`transport`](crate::transport), on the given
/// [`TransportFixture`](crate::TransportFixture), which is an expression that makes it. The calling
/// crate needs `tokio` with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! transport_suite {
    ($fixture:expr) => {
        $crate::transport_checks! { make_tests [$fixture] }
    };
}

/// As [`transport_suite`], for the checks of [`frontend`](crate::frontend) and a
/// [`FrontendFixture`](crate::frontend::FrontendFixture).
#[cfg(feature = "frontend")]
#[macro_export]
macro_rules! frontend_suite {
    ($fixture:expr) => {
        $crate::frontend_checks! { make_tests [$fixture] }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! transport_checks {
    ($then:ident $input:tt) => {
        $crate::$then! { $input transport;
            append::entries_are_numbered_without_gaps
            append::a_condition_that_holds_no_longer_is_refused
            append::concurrent_writers_lose_nothing
            append::unconditional_appends_all_succeed
            append::a_repeated_attempt_is_stored_once
            append::a_dropped_append_is_harmless
            append::payloads_are_opaque
            append::the_largest_part_fits_and_a_larger_one_does_not
            parts::an_entry_of_several_parts_is_stored_as_one
            parts::the_most_parts_fit_and_more_do_not
            parts::one_part_too_large_is_enough
            parts::an_entry_may_be_far_larger_than_a_part
            parts::a_condition_counts_for_all_parts
            parts::concurrent_entries_are_not_mixed
            parts::a_repeated_entry_of_parts_is_stored_once
            parts::a_dropped_entry_of_parts_is_whole_or_absent
            subscribe::entries_arrive_in_order
            subscribe::two_nodes_see_the_same_order
            subscribe::own_entries_are_seen
            subscribe::a_late_subscriber_gets_everything
            subscribe::it_resumes_where_it_is_told
            subscribe::it_waits_for_the_future
            subscribe::an_empty_log_stays_pending
            subscribe::what_was_trimmed_is_an_error_not_a_gap
            subscribe::a_slow_subscriber_blocks_nobody
            subscribe::a_dropped_subscription_leaves_the_others_alone
            subscribe::an_interruption_is_told_and_leaves_no_gap
            store::reading_tells_future_present_and_past_apart
            store::bounds_tell_the_extent
            store::nodes_agree_on_the_lineage
            store::trimming_keeps_the_end
            snapshot::a_snapshot_survives_a_round_trip
            snapshot::the_newest_snapshot_is_first
            snapshot::a_torn_snapshot_is_never_seen
            snapshot::a_snapshot_is_listed_only_once_it_is_verified
            snapshot::a_snapshot_may_be_stored_twice
            snapshot::a_removed_snapshot_is_gone
            snapshot::a_stored_snapshot_is_there_for_everybody
            close::closing_ends_subscriptions
            close::closing_twice_is_no_error
            close::a_closed_transport_says_so
            close::other_nodes_go_on
            close::display_names_the_transport
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! frontend_checks {
    ($then:ident $input:tt) => {
        $crate::$then! { $input frontend;
            service::display_names_the_frontend
            service::it_serves_until_it_is_stopped
            service::a_stop_before_serving_ends_it_at_once
            service::stop_closes_the_listener
            service::bind_error_is_reported_early
            service::two_instances_on_port_0
            service::it_may_be_opened_served_and_stopped_often
            service::idle_connections_do_not_keep_it
            service::garbage_harms_nobody
            values::select_types
            values::positional_params
            values::named_params
            values::large_result
            writes::batch_is_atomic
            writes::write_reaches_the_log
            writes::read_your_write
            writes::concurrent_clients
            errors::error_leaves_session_usable
            errors::syntax_error_is_reported
            sessions::a_transaction_is_isolated
            sessions::rollback_leaves_nothing
            sessions::disconnect_rolls_back
            clients::stop_finishes_what_is_in_flight
            clients::a_client_that_waits_blocks_nobody
            clients::many_connections_come_and_go
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! make_tests {
    ([$fixture:expr] $suite:ident; $($group:ident::$check:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $check() {
                $crate::run($crate::$suite::$group::$check(&$fixture)).await;
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! make_values {
    ([] $suite:ident; $($group:ident::$check:ident)*) => {
        vec![$($crate::Check::new(
            concat!(stringify!($group), "::", stringify!($check)),
            |fixture| Box::pin($crate::$suite::$group::$check(fixture)),
        )),*]
    };
}
