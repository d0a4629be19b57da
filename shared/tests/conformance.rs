//! Every transport passes the conformance suite.
#![cfg(target_os = "linux")]

/// A test for each property of the suite over each transport.
macro_rules! conformance {
    ($($property:ident)*) => {
        conformance!(loopback Loopback: $($property)*);
        conformance!(shm Shm: $($property)*);
        conformance!(socket Socket: $($property)*);
        conformance!(narrow_socket NarrowSocket: $($property)*);
    };
    ($module:ident $transport:ident: $($property:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $property() {
                    shared::testing::conformance::$property::<shared::testing::conformance::$transport>();
                }
            )*
        }
    };
}

conformance! {
    frames_and_completions_keep_their_order
    any_interleaving_loses_nothing
    completions_that_were_put_together_are_taken_together
    a_slot_is_freed_on_completion
    a_permit_on_a_dead_connection_is_lost
    a_completion_without_a_frame_is_not_put
    a_frame_has_the_length_of_its_parts
    a_frame_that_is_too_long_is_not_sent
    a_batch_equals_single_frames
    a_frame_of_equal_length_is_built_from_the_headers_of_the_one_before
    a_farewell_is_received_behind_the_frames
    a_farewell_is_received_behind_the_completions
    the_reason_is_sent_after_a_violation
    frames_and_control_messages_have_separate_signals
    a_side_does_not_sleep_over_what_has_arrived
    sleeping_sides_wake_each_other
    waiters_are_served_in_order
    two_rings_of_one_connection_are_independent
}
