//! What comes in and what is asked for: all that the screen has to do with the world.

use super::view::Everything;
use crate::{
    api::{HoldOff, InstanceRow, JobRow, PoolStatus},
    job::Moment,
};
use crossterm::event::KeyEvent;
use pool_core::{InstanceId, JobId, OutputStream};

/// Something has happened.
#[derive(Debug)]
pub(super) enum Event {
    Key(KeyEvent),
    /// Columns and lines.
    Size(u16, u16),
    /// The wall clock has moved on.
    Now(Moment),
    Update(Update),
    Answer(Answer),
}

/// News of the pool.
#[derive(Debug)]
pub(super) enum Update {
    All(Box<Everything>),
    Jobs(Vec<JobRow>),
    Instances { changed: Vec<InstanceRow>, gone: Vec<InstanceId>, creating: Vec<InstanceRow> },
    Status(Box<PoolStatus>),
    HoldOffs(Vec<HoldOff>),
    Link(Link),
}

/// How news comes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Link {
    /// Not yet.
    Connecting,
    /// As it happens.
    Live,
    /// By asking every so many seconds: an older server.
    Asking(u64),
    /// Not at all, and why.
    Lost(String),
}

/// What came of something that was asked for.
#[derive(Debug)]
pub(super) enum Answer {
    /// All about a job, as lines.
    Details {
        job: JobId,
        text: String,
    },
    /// For the line at the bottom.
    Done(String),
    Failed(String),
    /// More of the output that is shown.
    Output {
        job: JobId,
        stream: OutputStream,
        text: String,
    },
    /// It has ended, and with what.
    OutputEnded {
        job: JobId,
        stream: OutputStream,
        remark: String,
    },
}

/// What is to be done to something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Action {
    Hold(InstanceId),
    Drain(InstanceId),
    Run(InstanceId),
    Destroy(InstanceId),
    Kill(JobId),
}

/// What the world is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Ask {
    Quit,
    /// Whatever else wrote to the terminal is to be painted over.
    Redraw,
    Details(JobId),
    Do(Action, Option<String>),
    /// Follow this in place of what was followed, from this byte on.
    Output(JobId, OutputStream, u64),
    NoOutput,
}
