//! Whatever happens, in whatever order: the rules of what must never be, and that all comes to an end.

use super::random_world::{RandomWorld, Step};
use proptest::prelude::*;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((any::<u8>(), any::<u8>()), 1..120)
}

fn creates_and_lists() -> impl Strategy<Value = Vec<Step>> {
    let create_answer_or_wait = (0_u8..8, any::<u8>());
    let vanish = any::<u8>().prop_map(|who| (12, who & !7));
    prop::collection::vec(prop_oneof![8 => create_answer_or_wait, 1 => vanish], 20..120)
}

proptest! {
    // Each case is a story of up to 120 steps and its end, under a millisecond in a debug build.
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold_and_when_faults_stop_everything_ends(steps in steps()) {
        let mut world = RandomWorld::new();
        for step in steps {
            world.step(step);
        }
        world.liveness();
    }

    /// Of all that can happen, only what creates and lists meet: answers of every kind, time, machines that vanish.
    #[test]
    fn creates_and_lists_meet_in_every_order(steps in creates_and_lists()) {
        let mut world = RandomWorld::new();
        steps.into_iter().for_each(|step| world.step(step));
        world.liveness();
    }

    #[test]
    fn the_same_story_has_the_same_effects(steps in steps()) {
        let tell = || {
            let mut world = RandomWorld::new();
            steps.iter().for_each(|step| world.step(*step));
            world.log
        };
        prop_assert_eq!(tell(), tell());
    }
}

#[test]
fn the_stories_tell_of_everything_that_a_pool_asks_for() {
    // A fixed sequence: what is not told in it, the properties above would not test either.
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let mut log = Vec::new();
    for _ in 0..300 {
        let mut world = RandomWorld::new();
        for _ in 0..120 {
            world.step((next(), next()));
        }
        world.liveness();
        log.append(&mut world.log);
    }
    let told = |what: &str| log.iter().filter(|line| line.contains(what)).count();
    for what in [
        "List {",
        "Create {",
        "Destroy {",
        "SetTags {",
        "Probe {",
        "Start {",
        "Kill {",
        "Forget {",
        "SetHeld {",
        "Close {",
        "Ready {",
        "Gone {",
        "Broken {",
        "RateLimited {",
        "reason: Idle",
        "reason: Drained",
        "reason: BootTimeout",
        "reason: NotNeeded",
        "reason: Lifecycle(",
        "reason: Requested(",
        "SpendCap {",
        "TakenOver {",
        "Superseded {",
        "Kept",
    ] {
        assert!(told(what) >= 10, "{what:?} is told of {} times", told(what));
    }
}
