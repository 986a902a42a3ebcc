//! What goes wrong in a run, as a list of which any part can be left out.

use driver_loopback::{
    BootFaults, CapacityLimit, Faults, MachineFault, Operation, OperationFaults,
    sim::{SimOptions, Strike},
};
use humantime::format_duration;
use pool_core::{Placement, ProviderType, QuotaGroup};
use std::{fmt, time::Duration};

/// A while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Window {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

/// One thing that goes wrong.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Fault {
    /// Calls of one kind fail, or get lost on the way there or back.
    Calls { operation: Operation, window: Window, errors: f64, lost_requests: f64, lost_responses: f64 },
    /// The provider takes only so many calls of a kind a second.
    RateLimit { operation: Operation, window: Window, per_second: f64, says_when: bool },
    /// Calls of a kind take longer.
    SlowCalls { operation: Operation, window: Window, delay: Duration },
    /// Lists and tags lag behind by so much, always.
    StaleLists { by: Duration },
    /// Lists name instances twice.
    RepeatedEntries { rate: f64 },
    /// The quota is no more than this.
    Quota { window: Window, instances: usize },
    /// The quota of a group is no more than this.
    GroupQuota { window: Window, group: QuotaGroup, instances: usize },
    /// There are no more machines than these.
    Capacity {
        window: Window,
        provider_type: Option<ProviderType>,
        group: Option<QuotaGroup>,
        placement: Option<Placement>,
        instances: usize,
    },
    /// Machines boot badly.
    Boots { window: Window, slow: f64, slow_by: Duration, failed: f64, wrong_hosts: f64 },
    /// A machine goes wrong in its own way.
    Machine(Box<MachineFault>),
    /// A share of all machines goes wrong at once.
    Storm { at: Duration, strike: Strike, share: f64 },
    /// Some machines cannot read the record of an ended run for a while.
    StaleRuns { rate: f64, lasts: Duration },
    /// Frames arrive late.
    LateFrames { rate: f64, by: Duration },
    /// The program is killed: so many events of the world after `at`, and so many steps of its tasks after that.
    Crash { at: Duration, events: u64, polls: u32, down: Duration },
    /// Somebody starts a second program with the same instance set and another state directory.
    ///
    /// The clock of its machine is so many seconds ahead.
    SecondProgram { window: Window, ahead: i64 },
    /// The program's wall clock jumps.
    ClockJump { at: Duration, seconds: i64 },
}

impl Window {
    pub(crate) fn holds(self, now: Duration) -> bool {
        self.from <= now && now < self.until
    }
}

impl Fault {
    /// When what the provider does changes because of it.
    pub(crate) fn window(&self) -> Option<Window> {
        match self {
            Self::Calls { window, .. }
            | Self::RateLimit { window, .. }
            | Self::SlowCalls { window, .. }
            | Self::Quota { window, .. }
            | Self::GroupQuota { window, .. }
            | Self::Capacity { window, .. }
            | Self::Boots { window, .. } => Some(*window),
            _ => None,
        }
    }

    /// Adds to what the provider does at a moment.
    fn add_to(&self, faults: &mut Faults, now: Duration) {
        if self.window().is_some_and(|window| !window.holds(now)) {
            return;
        }
        match self {
            Self::Calls { operation, errors, lost_requests, lost_responses, .. } => {
                let of = operation_of(faults, *operation);
                of.error_rate = of.error_rate.max(*errors);
                of.lost_request_rate = of.lost_request_rate.max(*lost_requests);
                of.lost_response_rate = of.lost_response_rate.max(*lost_responses);
            }
            Self::RateLimit { operation, per_second, says_when, .. } => {
                let of = operation_of(faults, *operation);
                of.calls_per_second =
                    Some(of.calls_per_second.map_or(*per_second, |now| now.min(*per_second)));
                of.says_retry_after = *says_when;
            }
            Self::SlowCalls { operation, delay, .. } => {
                let of = operation_of(faults, *operation);
                of.delay = of.delay.max(*delay);
            }
            Self::StaleLists { by } => faults.stale_list = *by,
            Self::Quota { instances, .. } => {
                let quota = &mut faults.quota.instances;
                *quota = Some(quota.map_or(*instances, |now| now.min(*instances)));
            }
            Self::GroupQuota { group, instances, .. } => {
                let quota = faults.quota.groups.entry(group.clone()).or_insert(*instances);
                *quota = (*quota).min(*instances);
            }
            Self::Capacity { provider_type, group, placement, instances, .. } => {
                faults.capacity.push(CapacityLimit {
                    provider_type: provider_type.clone(),
                    quota_group: group.clone(),
                    placement: placement.clone(),
                    instances: *instances,
                });
            }
            Self::Boots { slow, slow_by, failed, wrong_hosts, .. } => {
                faults.boots = BootFaults {
                    slow_boot_rate: *slow,
                    slow_boot: *slow_by,
                    failed_boot_rate: *failed,
                    wrong_host_rate: *wrong_hosts,
                };
            }
            Self::Machine(fault) => faults.machines.push((**fault).clone()),
            _ => {}
        }
    }

    /// Changes the world for the whole run.
    pub(crate) fn apply_to(&self, options: &mut SimOptions) {
        match self {
            Self::RepeatedEntries { rate } => options.repeated_entry_rate = *rate,
            Self::StaleRuns { rate, lasts } => {
                options.stale_runs_rate = *rate;
                options.stale_runs_for = *lasts;
            }
            Self::LateFrames { rate, by } => {
                options.slow_line_rate = *rate;
                options.slow_line = *by;
            }
            _ => {}
        }
    }
}

fn operation_of(faults: &mut Faults, operation: Operation) -> &mut OperationFaults {
    match operation {
        Operation::Create => &mut faults.create,
        Operation::List => &mut faults.list,
        Operation::Destroy => &mut faults.destroy,
        Operation::SetTags => &mut faults.set_tags,
    }
}

/// What the provider does at a moment, all faults taken together.
pub(crate) fn faults_at<'a>(faults: impl IntoIterator<Item = &'a Fault>, now: Duration) -> Faults {
    let mut all = Faults::default();
    for fault in faults {
        fault.add_to(&mut all, now);
    }
    all
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} to {}", format_duration(self.from), format_duration(self.until))
    }
}

/// A share as a percentage.
struct Share(f64);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} %", self.0 * 100.0)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls { operation, window, errors, lost_requests, lost_responses } => write!(
                f,
                "{window}: of calls of {operation} {} fail, {} get lost, of {} the answer gets lost",
                Share(*errors),
                Share(*lost_requests),
                Share(*lost_responses)
            ),
            Self::RateLimit { operation, window, per_second, says_when } => {
                let says = if *says_when { ", and it says when to call again" } else { "" };
                write!(f, "{window}: the provider takes {per_second} calls of {operation} a second{says}")
            }
            Self::SlowCalls { operation, window, delay } => {
                write!(f, "{window}: calls of {operation} take {} longer", format_duration(*delay))
            }
            Self::StaleLists { by } => write!(f, "lists and tags lag by {}", format_duration(*by)),
            Self::RepeatedEntries { rate } => write!(f, "{} of a list's entries come twice", Share(*rate)),
            Self::Quota { window, instances } => write!(f, "{window}: a quota of {instances} instances"),
            Self::GroupQuota { window, group, instances } => {
                write!(f, "{window}: a quota of {instances} instances of group {group}")
            }
            Self::Capacity { window, provider_type, group, placement, instances } => {
                write!(f, "{window}: {instances} machines")?;
                if let Some(provider_type) = provider_type {
                    write!(f, " of type {provider_type}")?;
                }
                if let Some(group) = group {
                    write!(f, " of group {group}")?;
                }
                placement.as_ref().map_or(Ok(()), |placement| write!(f, " in {placement}"))
            }
            Self::Boots { window, slow, slow_by, failed, wrong_hosts } => write!(
                f,
                "{window}: of boots {} take {} longer, {} fail, {} end as another host",
                Share(*slow),
                format_duration(*slow_by),
                Share(*failed),
                Share(*wrong_hosts)
            ),
            Self::Machine(fault) => machine(f, fault),
            Self::Storm { at, strike, share } => {
                write!(f, "at {}: {strike} strikes {} of the machines", format_duration(*at), Share(*share))
            }
            Self::StaleRuns { rate, lasts } => write!(
                f,
                "{} of the machines cannot read the record of an ended run for {}",
                Share(*rate),
                format_duration(*lasts)
            ),
            Self::LateFrames { rate, by } => {
                write!(f, "{} of the frames are late by {}", Share(*rate), format_duration(*by))
            }
            Self::Crash { at, events, polls, down } => write!(
                f,
                "at {}, {events} events and {polls} steps later: the program is killed, for {}",
                format_duration(*at),
                format_duration(*down)
            ),
            Self::SecondProgram { window, ahead } => {
                write!(f, "{window}: a second program, whose clock is {ahead} s ahead")
            }
            Self::ClockJump { at, seconds } => {
                write!(f, "at {}: the wall clock jumps by {seconds} s", format_duration(*at))
            }
        }
    }
}

fn machine(f: &mut fmt::Formatter<'_>, fault: &MachineFault) -> fmt::Result {
    match (fault.nth, &fault.provider_type) {
        (Some(nth), _) => write!(f, "machine {nth}")?,
        (None, Some(provider_type)) => write!(f, "machines of type {provider_type}")?,
        (None, None) => write!(f, "each machine")?,
    }
    if let Some(every) = fault.every {
        write!(f, " of each {every}")?;
    }
    if let Some(within) = fault.created_within {
        write!(f, " made in the first {}", format_duration(within))?;
    }
    if fault.without_runner {
        write!(f, ": it takes no runner")?;
    }
    for (what, after) in [
        ("says that it is broken", fault.break_after),
        ("vanishes", fault.vanish_after),
        ("is preempted", fault.stop_after),
        ("hangs", fault.hang_after),
        ("drops its connections", fault.drop_connections_after),
        ("has another host key", fault.change_host_key_after),
        ("reboots", fault.reboot_after),
        ("loses its jobs' processes", fault.kill_jobs_after),
    ] {
        if let Some(after) = after {
            write!(f, ": it {what} after {}", format_duration(after))?;
        }
    }
    Ok(())
}
