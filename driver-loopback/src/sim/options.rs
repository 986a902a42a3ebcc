//! How the simulated world behaves, beside the faults.

use pool_api::{JobSpec, RunId};
use std::{
    fmt,
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// What a job does.
type Jobs = Arc<dyn Fn(&RunId, &JobSpec) -> SimJob + Send + Sync>;

/// How the world behaves. Durations count in whole milliseconds; what is less is cut off.
#[derive(Clone)]
pub struct SimOptions {
    /// How long a call's request and its response take, each drawn anew. A call arrives after this and the delay of
    /// the operation's faults.
    pub call_latency: RangeInclusive<Duration>,
    /// How long a frame or command takes, one way. Those of one connection keep their order.
    pub line_latency: RangeInclusive<Duration>,
    /// The share of frames and commands that take longer.
    pub slow_line_rate: f64,
    /// How much longer.
    pub slow_line: Duration,
    /// How many instances there are on one page of a list, at least 1. A list is read page after page, by instance id,
    /// each page a `call_latency` after the one before, and each shows what is true at its moment.
    pub page_size: usize,
    /// The share of entries that come a second time, at the end of the list, as they were the first time.
    pub repeated_entry_rate: f64,
    /// The share of machines, drawn when they are created, on which a run that has ended is listed as stale at first:
    /// its record is "locked".
    pub stale_runs_rate: f64,
    /// How long it is listed so, from its end on.
    pub stale_runs_for: Duration,
    /// When a create whose request is lost (`lost_request_rate`) arrives all the same, from when it was made. Zero: never.
    /// A request that is on its way when its caller gives up or crashes arrives in any case.
    pub lost_create_arrives_after: Duration,
    /// Whether instances have a power-off command, so that an orphaned runner stops its machine. Else it ends itself.
    pub power_off: bool,
    /// What every clock shows at the beginning of the world.
    pub wall_clock: SystemTime,
    /// What the jobs do. Asked once for each run that starts, under the world's lock: it must not call back into the world.
    pub jobs: Jobs,
}

impl SimOptions {
    /// A calm world: short, varying latencies, and nothing that repeats, is stale or late.
    pub fn new(
        wall_clock: SystemTime,
        jobs: impl Fn(&RunId, &JobSpec) -> SimJob + Send + Sync + 'static,
    ) -> Self {
        Self {
            call_latency: Duration::from_millis(20)..=Duration::from_millis(80),
            line_latency: Duration::from_millis(1)..=Duration::from_millis(5),
            slow_line_rate: 0.0,
            slow_line: Duration::ZERO,
            page_size: 1000,
            repeated_entry_rate: 0.0,
            stale_runs_rate: 0.0,
            stale_runs_for: Duration::ZERO,
            lost_create_arrives_after: Duration::ZERO,
            power_off: true,
            wall_clock,
            jobs: Arc::new(jobs),
        }
    }
}

impl fmt::Debug for SimOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimOptions")
            .field("call_latency", &self.call_latency)
            .field("line_latency", &self.line_latency)
            .field("slow_line_rate", &self.slow_line_rate)
            .field("slow_line", &self.slow_line)
            .field("page_size", &self.page_size)
            .field("repeated_entry_rate", &self.repeated_entry_rate)
            .field("stale_runs_rate", &self.stale_runs_rate)
            .field("stale_runs_for", &self.stale_runs_for)
            .field("lost_create_arrives_after", &self.lost_create_arrives_after)
            .field("power_off", &self.power_off)
            .field("wall_clock", &self.wall_clock)
            .finish_non_exhaustive()
    }
}

/// What one run does once it is started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SimJob {
    /// How long it goes on if nobody ends it.
    pub duration: Duration,
    /// How it ends then.
    pub end: SimEnd,
    /// Only KILL ends it early.
    pub ignores_term: bool,
    /// How many bytes of standard output it prints in all, evenly over its duration. What they are, [`sim_byte`] says;
    /// what is over the job's limit of output is cut off.
    ///
    /// [`sim_byte`]: super::sim_byte
    pub stdout: u64,
    /// The same for standard error.
    pub stderr: u64,
}

impl SimJob {
    /// Exits with 0 after this long, having printed nothing.
    pub fn quiet(duration: Duration) -> Self {
        Self { duration, end: SimEnd::Exit(0), ignores_term: false, stdout: 0, stderr: 0 }
    }
}

/// How a run ends by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SimEnd {
    /// With this exit code.
    Exit(i32),
    /// By this signal, named without `SIG`.
    Signal(String),
    /// It could not be started, for this reason. It ends at once, whatever its duration says.
    NotStarted(String),
}

/// What happens to a machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Strike {
    /// It is gone, and no longer listed. Its connections go silent.
    Vanish,
    /// It is stopped, as by a provider that preempts it: `Stopping`, and after the configured shutdown time `Stopped`.
    Stop,
    /// Nothing comes out of it or goes in. Its processes go on.
    Hang,
    /// What was sent meanwhile arrives, on connections that were not given up.
    Unhang,
    /// Its runner says that it is broken, for this reason.
    Break(String),
    /// All connections are reset.
    DropConnections,
    /// It has another host key from now on, which the provider vouches for if it vouches at all.
    ChangeHostKey,
    /// All processes end, all connections are reset, its disk stays. It is up again at once. Ends a hang.
    Reboot,
    /// All jobs and those who watch them are killed: how they ended is not known.
    KillJobs,
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vanish => f.write_str("vanishes"),
            Self::Stop => f.write_str("is stopped"),
            Self::Hang => f.write_str("hangs"),
            Self::Unhang => f.write_str("hangs no more"),
            Self::Break(reason) => write!(f, "breaks: {reason}"),
            Self::DropConnections => f.write_str("drops its connections"),
            Self::ChangeHostKey => f.write_str("changes its host key"),
            Self::Reboot => f.write_str("reboots"),
            Self::KillJobs => f.write_str("kills its jobs"),
        }
    }
}
