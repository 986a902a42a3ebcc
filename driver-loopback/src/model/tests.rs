//! The provider without a body.

use super::{Admission, Boot, BootFate, Cloud, Fate, Record};
use crate::{LoopbackConfig, LoopbackError, Operation};
use pool_api::{
    ByteSize, CreateRequest, HourlyPrice, IdempotencyToken, InitCommand, InstanceId, InstanceType, Lifecycle,
    Placement, PublicKey, Tags,
};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

const MS: Duration = Duration::from_millis(1);

fn cloud(config: Value, records: Vec<Record>, now: Instant) -> Cloud {
    Cloud::new(Arc::new(LoopbackConfig::from_value(config).unwrap()), records, now)
}

fn request(token: u128) -> CreateRequest {
    let instance_type = InstanceType {
        name: "small".try_into().unwrap(),
        provider_type: "small".try_into().unwrap(),
        vcpus: pool_api::Cpus::whole(1),
        memory: ByteSize(1),
        included_scratch: ByteSize(0),
        added_scratch: ByteSize(0),
        gpus: 0,
        price: HourlyPrice::ZERO,
        preemptible: false,
        architecture: pool_api::Architecture::X86_64,
        image: None,
    };
    CreateRequest {
        instance_type: Arc::new(instance_type),
        image: None,
        placement: Placement::unnamed(),
        tags: [("a", "1")].into_iter().collect(),
        init_command: InitCommand::new(String::new()),
        public_key: PublicKey(String::new()),
        token: IdempotencyToken::from_bits(token),
    }
}

fn id(number: u64) -> InstanceId {
    InstanceId::new(format!("i-{number}")).unwrap()
}

fn create(cloud: &mut Cloud, number: u64, now: Instant) -> Record {
    match cloud.admit(&request(number.into()), id(number), now, SystemTime::UNIX_EPOCH).unwrap() {
        Admission::New(record) => *record,
        Admission::Known(id) => panic!("{id} is known"),
    }
}

#[test]
fn a_limit_on_the_rate_allows_a_burst_and_then_a_steady_stream() {
    let start = Instant::now();
    let limit = json!({ "calls_per_second": 4, "says_retry_after": true });
    let mut cloud = cloud(json!({ "faults": { "list": limit } }), vec![], start);
    let mut at = |ms: u32| match cloud.call(Operation::List, start + MS * ms).arrive() {
        Ok(()) => None,
        Err(LoopbackError::TooManyCalls { operation: Operation::List, retry_after }) => retry_after,
        Err(other) => panic!("{other}"),
    };
    for _ in 0..4 {
        assert_eq!(at(0), None);
    }
    assert_eq!(at(0), Some(250 * MS));
    assert_eq!(at(100), Some(150 * MS));
    assert_eq!(at(250), None);
    assert_eq!(at(250), Some(250 * MS));
    for _ in 0..4 {
        assert_eq!(at(60_000), None);
    }
    assert_eq!(at(60_000), Some(250 * MS), "what is not used does not add up for ever");
}

#[test]
fn a_rate_that_others_have_used_up_refuses_the_first_call() {
    let start = Instant::now();
    let limit = json!({ "calls_per_second": 0.25, "starts_exhausted": true, "says_retry_after": true });
    let mut cloud = cloud(json!({ "faults": { "create": limit } }), vec![], start);
    match cloud.call(Operation::Create, start).arrive() {
        Err(LoopbackError::TooManyCalls { retry_after, .. }) => assert_eq!(retry_after, Some(4000 * MS)),
        other => panic!("{other:?}"),
    }
    assert!(cloud.call(Operation::Create, start + 4000 * MS).arrive().is_ok());
}

#[test]
fn rates_can_be_for_the_first_calls_alone() {
    let faults = json!({ "faults": { "list": { "error_rate": 1.0, "first_calls": 2 } } });
    let now = Instant::now();
    let mut cloud = cloud(faults, vec![], now);
    let failures = [(); 4].map(|()| cloud.call(Operation::List, now).arrive().is_err());
    assert_eq!(failures, [true, true, false, false]);
}

#[test]
fn the_faults_of_one_operation_do_not_depend_on_calls_of_another() {
    let config =
        json!({ "seed": 5, "faults": { "list": { "error_rate": 0.3 }, "create": { "error_rate": 0.3 } } });
    let now = Instant::now();
    let (mut one, mut other) = (cloud(config.clone(), vec![], now), cloud(config, vec![], now));
    let lists = |cloud: &mut Cloud, creates: usize| {
        let each = (0..200).map(|_| {
            for _ in 0..creates {
                let _ = cloud.call(Operation::Create, now).arrive();
            }
            cloud.call(Operation::List, now).arrive().is_err()
        });
        each.collect::<Vec<_>>()
    };
    let failures = lists(&mut one, 0);
    assert_eq!(failures, lists(&mut other, 3));
    let share = failures.iter().filter(|failed| **failed).count();
    assert!((30..=90).contains(&share), "{share} of 200 for a rate of 0.3");
}

#[test]
fn the_seed_decides_the_fates_of_machines() {
    let fates = |seed: u64| {
        let boots = json!({ "slow_boot_rate": 0.5, "slow_boot": "1s", "failed_boot_rate": 0.3, "wrong_host_rate": 0.3 });
        let mut cloud = cloud(json!({ "seed": seed, "faults": { "boots": boots } }), vec![], Instant::now());
        (1..40).map(|n| create(&mut cloud, n, Instant::now()).fate).collect::<Vec<_>>()
    };
    assert_eq!(fates(1), fates(1));
    assert_ne!(fates(1), fates(2));
    let all = fates(1);
    assert!(all.iter().any(|fate| fate.boot == BootFate::Well));
    assert!(all.iter().any(|fate| fate.boot == BootFate::Fails));
    assert!(all.iter().any(|fate| matches!(fate.boot, BootFate::AnotherHost(_))));
    assert!(all.iter().any(|fate| fate.boot_time.is_zero()));
    assert!(all.iter().any(|fate| fate.boot_time == 1000 * MS));
}

#[test]
fn of_several_faults_of_a_machine_the_earliest_counts() {
    let machines = json!([
        { "nth": 2, "break_after": "5s", "hang_after": "1m" },
        { "provider_type": "small", "break_after": "7s" },
        { "provider_type": "large", "break_after": "1s" },
        { "nth": 1, "vanish_after": "9s" },
    ]);
    let mut cloud = cloud(json!({ "faults": { "machines": machines } }), vec![], Instant::now());
    let first = create(&mut cloud, 1, Instant::now()).fate;
    assert_eq!((first.break_after, first.hang_after), (Some(7000 * MS), None));
    assert_eq!(first.vanish_after, Some(9000 * MS));
    let second = create(&mut cloud, 2, Instant::now()).fate;
    assert_eq!((second.break_after, second.hang_after), (Some(5000 * MS), Some(60_000 * MS)));
}

#[test]
fn a_fault_can_be_for_one_of_so_many_machines() {
    let machines = json!([{ "nth": 10, "every": 7, "hang_after": "90ms" }, { "nth": 3, "every": 2, "without_runner": true }]);
    let mut cloud = cloud(json!({ "faults": { "machines": machines } }), vec![], Instant::now());
    let fates: Vec<_> = (1..=17).map(|n| (n, create(&mut cloud, n, Instant::now()).fate)).collect();
    let with = |is: fn(&Fate) -> bool| {
        fates.iter().filter(|(_, fate)| is(fate)).map(|(n, _)| *n).collect::<Vec<_>>()
    };
    assert_eq!(with(|fate| fate.hang_after == Some(90 * MS)), [3, 10, 17]);
    assert_eq!(with(|fate| fate.without_runner), [1, 3, 5, 7, 9, 11, 13, 15, 17]);
}

#[test]
fn a_fault_can_be_for_machines_that_are_created_soon_after_the_set_was_opened() {
    let start = Instant::now();
    let machines = json!([{ "created_within": "300ms", "hang_after": "0s" }]);
    let mut cloud = cloud(json!({ "faults": { "machines": machines } }), vec![], start);
    let mut hangs = |n: u64, ms: u32| create(&mut cloud, n, start + MS * ms).fate.hang_after.is_some();
    assert_eq!([hangs(1, 0), hangs(2, 299), hangs(3, 300), hangs(4, 9000)], [true, true, false, false]);
}

#[test]
fn each_fault_with_a_rate_draws_for_each_machine_on_its_own() {
    let fates = |machines: Value| {
        let mut cloud =
            cloud(json!({ "seed": 4, "faults": { "machines": machines } }), vec![], Instant::now());
        (1..=400).map(|n| create(&mut cloud, n, Instant::now()).fate).collect::<Vec<_>>()
    };
    let first = json!({ "rate": 0.25, "reboot_after": "1s", "without_runner": true });
    let second = json!({ "rate": 0.25, "hang_after": "1s" });
    let both = fates(json!([first, second]));
    let count = |is: fn(&Fate) -> bool| both.iter().filter(|fate| is(fate)).count();
    let (one, other) = (count(|fate| fate.without_runner), count(|fate| fate.hang_after.is_some()));
    assert!((70..=130).contains(&one) && (70..=130).contains(&other), "{one} and {other} of 400 for 0.25");
    let together = count(|fate| fate.without_runner && fate.hang_after.is_some());
    assert!((8..=50).contains(&together), "{together} of 400 for 0.25 of 0.25");
    assert!(
        both.iter().all(|fate| fate.without_runner == fate.reboot_after.is_some()),
        "all of an entry or nothing"
    );
    // What is added, or is for others, changes nothing for the entries before it.
    let alone = fates(json!([first]));
    assert!(alone.iter().zip(&both).all(|(alone, both)| alone.reboot_after == both.reboot_after));
    let elsewhere = json!({ "rate": 0.25, "provider_type": "large", "reboot_after": "1s" });
    let after = fates(json!([elsewhere, second]));
    assert!(after.iter().zip(&both).all(|(after, both)| after.hang_after == both.hang_after));
}

#[test]
fn serial_numbers_go_on_after_those_that_are_there() {
    let now = Instant::now();
    let mut before = cloud(json!({}), vec![], now);
    let records: Vec<_> = (1..=3).map(|n| create(&mut before, n, now)).collect();
    assert_eq!(records.iter().map(|record| record.serial).collect::<Vec<_>>(), [1, 2, 3]);
    let mut after = cloud(json!({}), records[..2].to_vec(), now);
    assert_eq!(create(&mut after, 9, now).serial, 3);
}

#[test]
fn lists_lag_behind_creates_and_tags_by_the_configured_time() {
    let start = Instant::now();
    let config = json!({ "list_settle_time": "2s", "faults": { "stale_list": "2s" } });
    let mut cloud = cloud(config, vec![], start);
    create(&mut cloud, 1, start);
    let shown = |cloud: &Cloud, ms: u32| {
        let listed = cloud.list(&Tags::new(), start + MS * ms);
        listed.first().map(|record| record.tags.get("a").unwrap().to_owned())
    };
    assert_eq!(shown(&cloud, 1999), None);
    assert_eq!(shown(&cloud, 2000).as_deref(), Some("1"));
    let set = |cloud: &mut Cloud, value: &str, ms: u32| {
        cloud.set_tags(&id(1), &[("a", value)].into_iter().collect(), start + MS * ms).unwrap();
    };
    set(&mut cloud, "2", 3000);
    assert_eq!(shown(&cloud, 4999).as_deref(), Some("1"));
    set(&mut cloud, "3", 4999);
    assert_eq!(shown(&cloud, 6998).as_deref(), Some("1"), "what was shown stays shown");
    assert_eq!(shown(&cloud, 6999).as_deref(), Some("3"));
    // A filter goes by what is shown.
    set(&mut cloud, "4", 8000);
    assert!(cloud.list(&[("a", "4")].into_iter().collect(), start + MS * 8000).is_empty());
    assert_eq!(cloud.get(&id(1)).unwrap().tags.get("a"), Some("4"));
}

#[test]
fn a_token_makes_one_instance_and_no_other() {
    let now = Instant::now();
    let mut cloud = cloud(json!({ "faults": { "quota": { "instances": 1 } } }), vec![], now);
    let record = create(&mut cloud, 1, now);
    assert_eq!((record.lifecycle, record.boot), (Lifecycle::Pending, Boot::Waiting));
    // Also when there is no room for another.
    let again = cloud.admit(&request(1), id(2), now, SystemTime::UNIX_EPOCH).unwrap();
    assert!(matches!(again, Admission::Known(known) if known == id(1)));
    let other = cloud.admit(&request(2), id(2), now, SystemTime::UNIX_EPOCH).unwrap_err();
    assert!(matches!(other, LoopbackError::AccountQuota { limit: 1 }));
    cloud.remove(&id(1));
    let gone = cloud.admit(&request(1), id(2), now, SystemTime::UNIX_EPOCH).unwrap_err();
    assert!(matches!(gone, LoopbackError::TokenUsed { id: used } if used == id(1)));
    create(&mut cloud, 2, now);
}

#[test]
fn a_create_that_came_to_nothing_may_be_asked_for_again_with_its_token() {
    let now = Instant::now();
    let mut cloud = cloud(json!({}), vec![], now);
    let record = create(&mut cloud, 1, now);
    cloud.withdraw(&record.id);
    create(&mut cloud, 1, now);
}

#[test]
fn a_record_is_the_same_after_it_was_written_and_read() {
    let faults = json!({ "boots": { "wrong_host_rate": 1.0 }, "machines": [{ "break_after": "4s", "without_runner": true }] });
    let mut cloud = cloud(json!({ "faults": faults }), vec![], Instant::now());
    let record = create(&mut cloud, 1, Instant::now());
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
}
