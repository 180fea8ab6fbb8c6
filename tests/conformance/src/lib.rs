//! The checks that every transport passes, built in or not. A transport's tests hold a
//! [`TransportFixture`] and one line:
//!
//! ```ignore
//! ha_conformance::transport_suite!(Fixture);
//! ```
//!
//! which makes one `#[tokio::test]` per check, each on a log of its own. Checks that need what
//! [`ha_core::Capabilities`] do not offer are skipped and say so.

mod fixture;
mod library;
mod probe;
pub mod transport;

pub use fixture::TransportFixture;
pub use library::library;

/// One `#[tokio::test]` per check of [`transport`], on the given [`TransportFixture`], which is
/// an expression that makes it. The calling crate needs `tokio` with `macros` and
/// `rt-multi-thread`.
#[macro_export]
macro_rules! transport_suite {
    ($fixture:expr) => {
        $crate::transport_suite! { $fixture;
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
    ($fixture:expr; $($group:ident::$check:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $check() {
                $crate::transport::run($crate::transport::$group::$check(&$fixture)).await;
            }
        )*
    };
}
