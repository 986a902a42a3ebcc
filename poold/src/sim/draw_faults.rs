//! Which faults a seed brings. Each kind has a stream of chance of its own.

use super::{
    draw::QUIET_FROM,
    faults::{Fault, Window},
};
use crate::{config::ServeConfig, simulation::Chance};
use driver_loopback::{LoopbackConfig, MachineFault, Operation, sim::Strike};
use std::time::Duration;

/// All of them, at most a few of each kind.
pub(super) fn draw(seed: u64, config: &ServeConfig, cloud: &LoopbackConfig) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut some = |purpose: &str, likely: f64, most: usize, draw: &dyn Fn(&mut Chance) -> Fault| {
        let mut chance = Chance::new(seed, purpose);
        if chance.happens(likely) {
            let count = chance.count(1, most);
            faults.extend((0..count).map(|_| draw(&mut chance)));
        }
    };
    some("calls", 0.7, 4, &calls);
    some("rate limit", 0.4, 2, &rate_limit);
    some("slow calls", 0.3, 2, &slow_calls);
    if !cloud.list_settle_time.is_zero() {
        // All that the driver promises at most.
        some("stale lists", 0.7, 1, &|_| Fault::StaleLists { by: cloud.list_settle_time });
    }
    some("repeated entries", 0.3, 1, &|chance| Fault::RepeatedEntries { rate: chance.share(0.05, 0.5) });
    some("quota", 0.4, 2, &|chance| Fault::Quota { window: window(chance), instances: chance.count(0, 20) });
    some("group quota", 0.3, 2, &|chance| group_quota(chance, cloud));
    some("capacity", 0.5, 3, &|chance| capacity(chance, config, cloud));
    some("boots", 0.6, 2, &boots);
    some("machines", 0.7, 12, &machine);
    some("storm", 0.3, 2, &storm);
    some("stale runs", 0.2, 1, &|chance| Fault::StaleRuns {
        rate: chance.share(0.05, 0.3),
        lasts: chance.seconds(1, 120),
    });
    some("late frames", 0.3, 1, &|chance| Fault::LateFrames {
        rate: chance.share(0.01, 0.2),
        by: chance.seconds(1, 40),
    });
    some("crashes", 0.6, 6, &crash);
    some("second program", 0.15, 1, &second_program);
    some("clock jumps", 0.3, 3, &clock_jump);
    faults
}

fn moment(chance: &mut Chance) -> Duration {
    chance.millis(1000, QUIET_FROM.as_millis() as u64 - 60_000)
}

fn window(chance: &mut Chance) -> Window {
    let from = moment(chance);
    let until = (from + chance.seconds(20, 1200)).min(QUIET_FROM);
    Window { from, until }
}

fn operation(chance: &mut Chance) -> Operation {
    *chance.pick(&[Operation::Create, Operation::List, Operation::Destroy, Operation::SetTags])
}

fn calls(chance: &mut Chance) -> Fault {
    // Often not all three at once.
    let mut rate = || if chance.happens(0.6) { chance.share(0.02, 0.6) } else { 0.0 };
    let (errors, lost_requests, lost_responses) = (rate(), rate(), rate());
    Fault::Calls {
        operation: operation(chance),
        window: window(chance),
        errors,
        lost_requests,
        lost_responses,
    }
}

fn rate_limit(chance: &mut Chance) -> Fault {
    Fault::RateLimit {
        operation: operation(chance),
        window: window(chance),
        per_second: *chance.pick(&[0.1, 0.5, 1.0, 3.0]),
        says_when: chance.happens(0.5),
    }
}

fn slow_calls(chance: &mut Chance) -> Fault {
    Fault::SlowCalls { operation: operation(chance), window: window(chance), delay: chance.seconds(1, 90) }
}

fn group_quota(chance: &mut Chance, cloud: &LoopbackConfig) -> Fault {
    let groups: Vec<_> = cloud.quota_groups.values().collect();
    let group = (*chance.pick(&groups)).clone();
    Fault::GroupQuota { window: window(chance), group, instances: chance.count(0, 10) }
}

fn capacity(chance: &mut Chance, config: &ServeConfig, cloud: &LoopbackConfig) -> Fault {
    let groups: Vec<_> = cloud.quota_groups.values().collect();
    let (mut provider_type, mut group) = (None, None);
    match chance.number(0, 2) {
        0 => provider_type = Some(chance.pick(&config.pool.instance_types).provider_type.clone()),
        1 => group = Some((*chance.pick(&groups)).clone()),
        _ => {}
    }
    let placement = chance.happens(0.5).then(|| chance.pick(&cloud.placements).clone());
    Fault::Capacity { window: window(chance), provider_type, group, placement, instances: chance.count(0, 6) }
}

fn boots(chance: &mut Chance) -> Fault {
    let mut rate = || if chance.happens(0.5) { chance.share(0.02, 0.5) } else { 0.0 };
    let (slow, failed, wrong_hosts) = (rate(), rate(), rate());
    Fault::Boots { window: window(chance), slow, slow_by: chance.seconds(10, 400), failed, wrong_hosts }
}

fn machine(chance: &mut Chance) -> Fault {
    let mut fault = MachineFault { nth: Some(chance.number(1, 60)), ..MachineFault::default() };
    if chance.happens(0.2) {
        (fault.nth, fault.every) = (Some(chance.number(1, 7)), Some(chance.number(7, 15)));
    }
    let after = Some(chance.seconds(0, 600));
    match chance.number(0, 8) {
        0 => fault.break_after = after,
        1 => fault.vanish_after = after,
        2 => fault.stop_after = after,
        3 => fault.hang_after = after,
        4 => fault.drop_connections_after = after,
        5 => fault.change_host_key_after = after,
        6 => fault.reboot_after = after,
        7 => fault.kill_jobs_after = after,
        _ => fault.without_runner = true,
    }
    Fault::Machine(Box::new(fault))
}

fn storm(chance: &mut Chance) -> Fault {
    let strikes = [
        Strike::Vanish,
        Strike::Stop,
        Strike::Hang,
        Strike::Break("a storm".to_owned()),
        Strike::DropConnections,
        Strike::ChangeHostKey,
        Strike::Reboot,
        Strike::KillJobs,
    ];
    Fault::Storm { at: moment(chance), strike: chance.pick(&strikes).clone(), share: chance.share(0.1, 1.0) }
}

fn crash(chance: &mut Chance) -> Fault {
    Fault::Crash {
        at: moment(chance),
        events: chance.number(0, 50),
        polls: chance.small(0, 30),
        // Mostly short, so that what was under way is still there.
        down: if chance.happens(0.7) { chance.millis(10, 5000) } else { chance.seconds(5, 600) },
    }
}

fn second_program(chance: &mut Chance) -> Fault {
    let from = moment(chance);
    let window = Window { from, until: (from + chance.seconds(10, 300)).min(QUIET_FROM) };
    Fault::SecondProgram { window, ahead: *chance.pick(&[0, 0, -3600, 20]) }
}

fn clock_jump(chance: &mut Chance) -> Fault {
    let seconds = *chance.pick(&[-86_400, -3600, -60, -1, 1, 60, 3600, 86_400]);
    Fault::ClockJump { at: moment(chance), seconds }
}
