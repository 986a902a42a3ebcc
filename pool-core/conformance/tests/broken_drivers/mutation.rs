//! The ways in which a driver is broken here, and which trials must find out.

/// Written once for the enum, its names and what must fail.
macro_rules! mutations {
    ($($name:ident => [$($trial:literal),+];)+) => {
        /// One thing that the driver does wrong.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Mutation {
            /// Nothing.
            None,
            /// Nothing: lists lag, and its capabilities say so.
            LagsAsItSays,
            $($name,)+
        }

        impl Mutation {
            /// All but `None`, with the trials that must fail.
            pub(crate) const ALL: &'static [(Self, &'static [&'static str])] = &[$((Self::$name, &[$($trial),+]),)+];

            pub(crate) fn named(name: &str) -> Self {
                match name {
                    $(stringify!($name) => Self::$name,)+
                    "LagsAsItSays" => Self::LagsAsItSays,
                    _ => Self::None,
                }
            }
        }
    };
}

mutations! {
    ListsHalfOnAFailedPage => ["a_failing_second_page_fails_the_list"];
    ListsTheFirstPageAlone => ["a_list_of_several_pages_has_each_instance_once"];
    ListsThePageBeforeAgain => ["a_list_of_several_pages_has_each_instance_once"];
    ForgetsATag => ["create_carries_the_tags", "a_listed_instance_has_all_its_tags"];
    CreatesWithoutTagsAndTagsThen => ["a_dropped_create_leaves_nothing_that_its_tags_do_not_find"];
    LagsInSecret => ["a_new_instance_is_listed_once_within_the_settle_time", "set_tags_adds_and_keeps"];
    IgnoresTheToken => [
        "a_create_that_arrives_twice_makes_one_instance",
        "the_same_token_twice_makes_one_instance",
        "the_same_token_in_parallel_makes_one_instance",
        "the_same_token_after_a_lost_response_makes_one_instance",
        "the_same_token_in_another_process_makes_one_instance"
    ];
    RemembersTokensInMemoryAlone => ["the_same_token_in_another_process_makes_one_instance"];
    TakesEveryTokenForTheSame => ["another_token_makes_another_instance", "create_makes_fifty_at_once"];
    IgnoresTheFilter => ["a_filter_leaves_out_what_does_not_match", "another_sets_instances_are_not_returned"];
    FiltersWithoutCase => ["a_filter_leaves_out_what_does_not_match"];
    SweepsOthers => ["another_sets_instances_are_not_touched"];
    ListsOnlyItsOwn => ["another_process_finds_the_same_instances"];
    Retries => ["create_with_status_500_is_transient", "list_lost_on_the_way_is_transient"];
    FallsBackToAnotherPlacement => ["create_refuses_an_unknown_placement"];
    PutsAllIntoTheFirstPlacement => ["create_carries_the_placement"];
    DropsTheImage => ["create_carries_the_image"];
    TrimsTheInitCommand => ["create_carries_the_init_command_byte_for_byte"];
    ForgetsTheKey => ["create_carries_the_public_key"];
    ForgetsScratch => ["create_adds_the_scratch_disk"];
    AlwaysSpot => ["create_asks_for_no_spot_when_the_type_is_not_preemptible"];
    NeverSpot => ["create_asks_for_spot_when_the_type_is_preemptible"];
    DestroyOfNothingFails => ["destroy_twice_is_success", "destroy_of_what_is_gone_is_success"];
    DestroysAll => ["destroy_leaves_others_of_the_set_alone"];
    DestroysNothing => ["a_destroyed_instance_is_gone_from_the_list"];
    CutsLongTags => ["as_many_and_as_long_tags_are_kept_as_the_capabilities_say"];
    SetTagsReplacesAll => ["set_tags_adds_and_keeps"];
    SetTagsKeepsOldValues => ["set_tags_replaces_a_value"];
    SetTagsOfNothingSucceeds => ["set_tags_of_what_is_gone_is_not_found"];
    LowersTagValues => ["tags_keep_every_character"];
    TakesQuotaForCapacity => ["quota_of_a_type_in_one_placement"];
    TakesCapacityForQuota => ["capacity_of_a_type_in_one_placement"];
    WidensEveryScope => ["quota_of_a_quota_group_in_one_placement", "capacity_of_a_type_in_every_placement"];
    TakesRateLimitsForTransient => ["list_rate_limited_without_a_time"];
    DropsRetryAfter => ["create_rate_limited_with_a_time"];
    TakesNothingForARefusal => [
        "create_with_a_lost_response_is_of_unknown_effect",
        "the_same_token_after_a_lost_response_makes_one_instance"
    ];
    TakesGarbageForSuccess => ["set_tags_with_a_garbage_answer_is_of_unknown_effect"];
    TakesAllForTransient => ["create_with_bad_credentials_is_auth", "create_with_a_bad_request_is_invalid_request"];
    HasNoTimeLimit => ["create_to_a_hung_server_ends_in_time", "list_to_a_hung_server_ends_in_time"];
    DropsTheMessage => ["create_with_bad_credentials_is_auth"];
    ShowsStoppedAsRunning => ["a_stopped_instance_is_listed_as_stopped"];
    LeavesLeftovers => ["leftovers_of_a_failed_create_are_swept_or_listed", "nothing_of_this_run_is_left_in_the_cloud"];
    LeavesDisks => ["nothing_of_this_run_is_left_in_the_cloud"];
    StopDestroys => ["stop_ends_and_destroys_nothing"];
    StopLeavesWork => ["stop_ends_background_work"];
    LogsTheInitCommand => ["no_secret_is_in_a_log_line_or_an_error"];
    ShowsTheInitCommandInDebug => ["no_secret_is_in_a_log_line_or_an_error"];
    ShowsTheInitCommandInErrors => ["no_secret_is_in_a_log_line_or_an_error"];
    SendsWhatIsNotInTheApi => ["every_request_is_as_the_provider_describes_it"];
    Panics => ["create_carries_the_type"];
}
