//! Calls to the provider.

use crate::support::{MS, Program, SECOND, World, lifecycles, options};
use driver_loopback::sim::{SimEvent, Strike};
use pool_api::{Effect, Lifecycle};
use serde_json::json;
use std::time::Duration;
use tokio::{join, time::sleep};

#[test]
fn an_instance_goes_through_its_lifecycles() {
    let world = World::calm();
    world.live(async {
        let program = Program::new(&world, 1);
        let created = program.set.create(program.request(1)).await.unwrap();
        assert_eq!((created.lifecycle(), created.address()), (Lifecycle::Pending, None));
        sleep(15 * SECOND).await;
        let running = program.instance().await;
        assert_eq!((running.lifecycle(), running.address()), (Lifecycle::Running, Some("10.0.0.1")));
        running.destroy().await.unwrap();
        running.destroy().await.unwrap();
        assert_eq!(program.instance().await.lifecycle(), Lifecycle::Stopping);
        sleep(4 * SECOND).await;
        assert!(program.list().await.is_empty());
        // One that is gone is destroyed; there is nothing of it to change.
        running.destroy().await.unwrap();
        assert!(running.set_tags(running.tags()).await.is_err());
    });
    assert_eq!(lifecycles(&world), [Lifecycle::Running, Lifecycle::Stopping]);
    assert_eq!(world.count(|event| matches!(event, SimEvent::DestroyBegun { program: 1, .. })), 1);
    assert_eq!(world.count(|event| matches!(event, SimEvent::Gone { .. })), 1);
}

#[test]
fn a_create_whose_response_is_lost_is_done_and_not_done_again() {
    let faults = json!({ "create": { "lost_response_rate": 1.0, "first_calls": 1 } });
    let world = World::new(json!({ "faults": faults }), options());
    world.live(async {
        let program = Program::new(&world, 1);
        let lost = program.set.create(program.request(7)).await.unwrap_err();
        assert_eq!(lost.effect(), Effect::Unknown);
        let again = program.set.create(program.request(7)).await.unwrap();
        assert_eq!(*again.id(), world.only_machine().id);
    });
    assert_eq!(world.count(|event| matches!(event, SimEvent::Created { .. })), 1);
    assert_eq!(world.count(|event| matches!(event, SimEvent::Arrived { done: true, .. })), 2);
}

#[test]
fn a_create_whose_request_is_lost_may_turn_up_later() {
    for late in [Duration::ZERO, 90 * SECOND] {
        let faults = json!({ "create": { "lost_request_rate": 1.0, "first_calls": 1 } });
        let mut options = options();
        options.lost_create_arrives_after = late;
        let world = World::new(json!({ "faults": faults }), options);
        world.live(async {
            let program = Program::new(&world, 1);
            let lost = program.set.create(program.request(7)).await.unwrap_err();
            assert_eq!(lost.effect(), Effect::Unknown);
            sleep(80 * SECOND).await;
            assert!(program.list().await.is_empty());
            sleep(20 * SECOND).await;
            assert_eq!(program.list().await.len(), usize::from(!late.is_zero()));
        });
    }
}

#[test]
fn the_pages_of_a_list_are_read_one_after_the_other() {
    let mut options = options();
    options.call_latency = 100 * MS..=100 * MS;
    options.page_size = 2;
    let world = World::new(json!({}), options);
    world.live(async {
        let program = Program::new(&world, 1);
        for token in 0..5 {
            program.set.create(program.request(token)).await.unwrap();
        }
        let mut ids: Vec<_> = world.cloud.machines().into_iter().map(|machine| machine.id).collect();
        ids.sort();
        // Pages are read after 100, 200 and 300 ms: the first instance goes when it was seen, the last before.
        let strikes = async {
            sleep(150 * MS).await;
            assert!(world.cloud.strike(&ids[0], Strike::Vanish));
            assert!(world.cloud.strike(&ids[4], Strike::Vanish));
            assert!(!world.cloud.strike(&ids[4], Strike::Vanish));
        };
        let (listed, ()) = join!(program.list(), strikes);
        let listed: Vec<_> = listed.iter().map(|instance| instance.id().clone()).collect();
        assert_eq!(listed, ids[..4]);
    });
}

#[test]
fn entries_of_a_list_can_come_twice() {
    let mut options = options();
    options.repeated_entry_rate = 1.0;
    let world = World::new(json!({}), options);
    world.live(async {
        let program = Program::new(&world, 1);
        program.set.create(program.request(1)).await.unwrap();
        let listed = program.list().await;
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[0].id(), listed[1].id());
    });
}

#[test]
fn other_faults_hold_from_then_on() {
    let world = World::calm();
    world.live(async {
        let program = Program::new(&world, 1);
        program.set.create(program.request(1)).await.unwrap();
        let faults = json!({ "quota": { "instances": 1 }, "list": { "error_rate": 1.0, "first_calls": 1 } });
        world.cloud.set_faults(serde_json::from_value(faults).unwrap());
        assert!(program.set.create(program.request(2)).await.is_err());
        assert!(program.set.instances(&Default::default()).await.is_err());
        assert_eq!(program.list().await.len(), 1);
        // As of a set that was stopped.
        program.set.stop().await;
        assert!(program.set.instances(&Default::default()).await.is_err());
    });
}

#[test]
fn the_programs_clock_can_be_set_and_the_providers_cannot() {
    let world = World::calm();
    world.live(async {
        let program = Program::new(&world, 1);
        let start = world.cloud.wall_clock();
        world.cloud.jump_wall_clock(-7200);
        sleep(10 * SECOND).await;
        assert_eq!(start.duration_since(world.cloud.wall_clock()).unwrap(), 7190 * SECOND);
        program.set.create(program.request(1)).await.unwrap();
        let created = program.instance().await.created().unwrap();
        assert!(created.duration_since(start).unwrap() > 10 * SECOND);
    });
}
