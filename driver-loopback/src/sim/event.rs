//! What happens in the world, for who watches it.

use super::Strike;
use crate::Operation;
use pool_api::{InstanceId, InstanceTypeName, Lifecycle, Placement, ProviderType, RunId, Tags};
use std::{fmt, time::Duration};

/// Something that has happened. `Display` is one line for a story.
///
/// Who `program` is, [`SimCloud::seat`](super::SimCloud::seat) was told.
#[derive(Clone, PartialEq, Debug)]
pub enum SimEvent {
    /// A program has made a call.
    Called {
        /// Who.
        program: u32,
        /// The call's number in this world.
        call: u64,
        /// Which.
        operation: Operation,
        /// On what.
        what: String,
    },
    /// The provider has carried a call out, or refused it, or never got it.
    Arrived {
        /// Which call.
        call: u64,
        /// Whose.
        program: u32,
        /// What kind.
        operation: Operation,
        /// What came of it.
        outcome: String,
        /// Whether it was carried out.
        done: bool,
    },
    /// A program that still listens has got its answer.
    Answered {
        /// To which call.
        call: u64,
        /// Who.
        program: u32,
        /// Which answer.
        outcome: String,
    },
    /// There is a new instance.
    Created {
        /// Which.
        instance: InstanceId,
        /// Of which type.
        instance_type: InstanceTypeName,
        /// The provider's name for it.
        provider_type: ProviderType,
        /// Where.
        placement: Placement,
        /// The token of its create.
        token: String,
        /// Who created it.
        program: u32,
        /// What its init command stores as its secret; empty if that has none. Not in `Display`.
        secret: String,
        /// Its tags.
        tags: Tags,
    },
    /// An instance has got tags.
    TagsSet {
        /// Which.
        instance: InstanceId,
        /// Those that were set, not those that it had before.
        tags: Tags,
        /// By whom.
        program: u32,
    },
    /// An instance begins to be destroyed. Comes once for each.
    DestroyBegun {
        /// Which.
        instance: InstanceId,
        /// By whom.
        program: u32,
        /// What it was until now.
        lifecycle: Lifecycle,
        /// Its true tags.
        tags: Tags,
    },
    /// An instance's lifecycle has changed.
    Lifecycle {
        /// Which.
        instance: InstanceId,
        /// To this.
        lifecycle: Lifecycle,
    },
    /// An instance is gone, with all its processes.
    Gone {
        /// Which.
        instance: InstanceId,
    },
    /// Something befalls a machine.
    Struck {
        /// Which.
        instance: InstanceId,
        /// What.
        strike: Strike,
    },
    /// A command has arrived on a machine.
    Commanded {
        /// Which.
        instance: InstanceId,
        /// Whose.
        program: u32,
        /// Whether the machine is what it should be, and not another host.
        genuine: bool,
        /// Whether the program has verified the connection.
        verified: bool,
        /// `secret`, `attach`, `probe` (any other without input) or `other`.
        what: &'static str,
    },
    /// A runner has accepted a session.
    SessionOpened {
        /// On which instance.
        instance: InstanceId,
        /// Whose.
        program: u32,
        /// With which epoch.
        epoch: u64,
    },
    /// A runner has refused one.
    SessionRefused {
        /// On which instance.
        instance: InstanceId,
        /// Whose.
        program: u32,
        /// Why.
        refusal: String,
    },
    /// A session that was open has ended on the runner's side.
    SessionClosed {
        /// On which instance.
        instance: InstanceId,
        /// Whose.
        program: u32,
    },
    /// A run was recorded, and its process started unless that failed.
    RunStarted {
        /// On which instance.
        instance: InstanceId,
        /// Which.
        run: RunId,
        /// By whom.
        program: u32,
    },
    /// A run's process has ended, or could not be started. Does not come when the whole machine goes: see `Gone`.
    RunEnded {
        /// On which instance.
        instance: InstanceId,
        /// Which.
        run: RunId,
        /// How.
        outcome: String,
        /// Whether it was being killed, by a program or for its time limit.
        killed: bool,
    },
    /// A runner was told to forget a run, and does.
    RunForgotten {
        /// On which instance.
        instance: InstanceId,
        /// Which.
        run: RunId,
        /// Whether it knew it.
        known: bool,
    },
    /// A runner was told to kill a run that it knows.
    KillAsked {
        /// On which instance.
        instance: InstanceId,
        /// Which.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// A runner holds that its worker is held, or no longer.
    Held {
        /// Which instance.
        instance: InstanceId,
        /// Held or not.
        held: bool,
    },
    /// A runner has given up waiting for a program: it powers the machine off, or ends.
    Orphaned {
        /// On which instance.
        instance: InstanceId,
    },
    /// The programs' wall clock was set.
    WallClockJumped {
        /// By so many seconds.
        seconds: i64,
    },
}

impl fmt::Display for SimEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Called { program, call, operation, what } => {
                write!(f, "program {program} calls {operation} #{call}: {what}")
            }
            Self::Arrived { call, operation, outcome, done, .. } => {
                let how = if *done { "done" } else { "not done" };
                write!(f, "{operation} #{call} is {how}: {outcome}")
            }
            Self::Answered { call, program, outcome } => {
                write!(f, "program {program} gets the answer to #{call}: {outcome}")
            }
            Self::Created { instance, provider_type, placement, program, tags, .. } => {
                write!(f, "{instance} is created for program {program}: {provider_type}")?;
                if !placement.as_str().is_empty() {
                    write!(f, " in {}", placement.as_str())?;
                }
                write!(f, ", tags {}", Shown(tags))
            }
            Self::TagsSet { instance, tags, program } => {
                write!(f, "{instance} gets tags from program {program}: {}", Shown(tags))
            }
            Self::DestroyBegun { instance, program, lifecycle, tags } => {
                write!(
                    f,
                    "{instance} is being destroyed by program {program}, was {lifecycle}, tags {}",
                    Shown(tags)
                )
            }
            Self::Lifecycle { instance, lifecycle } => write!(f, "{instance} is {lifecycle}"),
            Self::Gone { instance } => write!(f, "{instance} is gone"),
            Self::Struck { instance, strike } => write!(f, "{instance} {strike}"),
            Self::Commanded { instance, program, genuine, verified, what } => {
                let host = if *genuine { "" } else { ", which is another host" };
                let known = if *verified { "" } else { ", not verified yet" };
                write!(f, "{instance} gets a command from program {program}: {what}{host}{known}")
            }
            Self::SessionOpened { instance, program, epoch } => {
                write!(f, "{instance} opens a session with program {program}, epoch {epoch}")
            }
            Self::SessionRefused { instance, program, refusal } => {
                write!(f, "{instance} refuses a session with program {program}: {refusal}")
            }
            Self::SessionClosed { instance, program } => {
                write!(f, "{instance} ends its session with program {program}")
            }
            Self::RunStarted { instance, run, program } => {
                write!(f, "{instance} starts {run} for program {program}")
            }
            Self::RunEnded { instance, run, outcome, killed } => {
                let killed = if *killed { ", killed" } else { "" };
                write!(f, "{run} ends on {instance}: {outcome}{killed}")
            }
            Self::RunForgotten { instance, run, known } => {
                let known = if *known { "" } else { ", which it did not know" };
                write!(f, "{instance} forgets {run}{known}")
            }
            Self::KillAsked { instance, run, reason } => write!(f, "{instance} is to kill {run}: {reason}"),
            Self::Held { instance, held: true } => write!(f, "{instance} is held"),
            Self::Held { instance, held: false } => write!(f, "{instance} is held no longer"),
            Self::Orphaned { instance } => write!(f, "{instance} is orphaned"),
            Self::WallClockJumped { seconds } => write!(f, "the wall clock jumps by {seconds} s"),
        }
    }
}

/// Tags on one line.
struct Shown<'a>(&'a Tags);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}={value}", if at == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// Who is told of each event, with its time.
pub type SimObserver = Box<dyn FnMut(Duration, &SimEvent) + Send>;

/// A machine as it truly is.
#[derive(Clone, PartialEq, Debug)]
pub struct SimMachine {
    /// Its id.
    pub id: InstanceId,
    /// Counts the instances of the world from 1.
    pub serial: u64,
    /// Its type.
    pub instance_type: InstanceTypeName,
    /// The provider's name for it.
    pub provider_type: ProviderType,
    /// Where it is.
    pub placement: Placement,
    /// Whether it was asked for as preemptible.
    pub preemptible: bool,
    /// Its lifecycle.
    pub lifecycle: Lifecycle,
    /// Its true tags, whatever lists still show.
    pub tags: Tags,
    /// When it was created.
    pub created: Duration,
    /// Whether it is what it should be, and not another host.
    pub genuine: bool,
    /// The token of its create.
    pub token: String,
    /// The runs that its runner knows, and whether their processes are alive.
    pub runs: Vec<(RunId, bool)>,
    /// The program and the epoch of the open session.
    pub session: Option<(u32, u64)>,
}

/// How much there was of everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SimCounters {
    /// Calls that create.
    pub creates: u64,
    /// Calls that list, whatever the number of their pages.
    pub lists: u64,
    /// Calls that destroy.
    pub destroys: u64,
    /// Calls that set tags.
    pub set_tags: u64,
    /// Questions to the provider about host keys.
    pub host_keys: u64,
    /// Attempts to connect.
    pub connections: u64,
    /// Commands that have arrived on machines.
    pub commands: u64,
    /// Frames that have arrived on machines.
    pub frames_to_runners: u64,
    /// Frames that runners have sent.
    pub frames_from_runners: u64,
    /// Things that have come due in the world: what it costs. After a crash this depends a little on the order in which
    /// the runtime drops its tasks, as no event does.
    pub events: u64,
}

impl SimCounters {
    /// All calls to the provider.
    pub fn calls(&self) -> u64 {
        self.creates + self.lists + self.destroys + self.set_tags + self.host_keys
    }
}
