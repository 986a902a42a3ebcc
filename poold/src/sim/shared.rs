//! What everything in a run shares, and what outlives each life of the program.

use super::{checks::Checker, story::Story, told::Told};
use driver_loopback::sim::SimEvent;
use pool_core::{JobId, Notice};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// The event log, the checks, and what wakes the director.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug)]
struct State {
    story: Story,
    checker: Checker,
    /// Events of the world so far.
    events: u64,
    /// At which of them the director is woken.
    wake_at: Option<u64>,
}

impl Shared {
    pub(crate) fn new(story: Story, checker: Checker) -> Self {
        let state = State { story, checker, events: 0, wake_at: None };
        Self(Arc::new(Inner { state: Mutex::new(state), wake: Notify::new() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in a check is a failure of the run, and ends it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step<R>(&self, step: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state();
        let result = step(&mut state);
        let due = state.wake_at.is_some_and(|at| at <= state.events);
        if state.checker.violation().is_some() || due {
            self.0.wake.notify_one();
        }
        result
    }

    /// Something has happened in the world.
    pub(crate) fn see(&self, now: Duration, event: &SimEvent) {
        self.step(|state| {
            state.events += 1;
            state.story.tell(now, format_args!("{event}"));
            state.checker.see(now, event);
        });
    }

    /// The pool has said something.
    pub(crate) fn notice(&self, now: Duration, program: u32, notice: &Notice) {
        self.step(|state| {
            state.story.tell(now, format_args!("program {program}: {}", Told(notice)));
            state.checker.notice(now, program, notice);
        });
    }

    /// A scheduler has made a pass, and these records are durable.
    pub(crate) fn pass(
        &self,
        now: Duration,
        program: u32,
        records: impl Iterator<Item = (JobId, crate::job::Record, Option<String>)>,
    ) {
        self.step(|state| {
            state.checker.pass(now, program);
            for (job, record, detail) in records {
                let (of, run) = (record.state, record.runs);
                let worker = record.worker.as_ref().map(|worker| worker.instance.as_str()).unwrap_or("-");
                let detail = detail.unwrap_or_default();
                state.story.tell(now, format_args!("job {job}: {of}, run {run} on {worker} {detail}"));
                state.checker.durable(now, program, &job, &record);
            }
        });
    }

    /// Adds a line to the story.
    pub(crate) fn tell(&self, now: Duration, what: fmt::Arguments<'_>) {
        self.state().story.tell(now, what);
    }

    /// Looks at, or adds to, what the checks know.
    pub(crate) fn check<R>(&self, check: impl FnOnce(&mut Checker) -> R) -> R {
        self.step(|state| check(&mut state.checker))
    }

    /// Wakes the director at the nth event of the world from now on.
    pub(crate) fn wake_after(&self, events: u64) {
        self.step(|state| state.wake_at = Some(state.events + events));
    }

    /// Whether the events that [`wake_after`](Self::wake_after) names have happened. Says so once.
    pub(crate) fn take_wake(&self) -> bool {
        let mut state = self.state();
        let due = state.wake_at.is_some_and(|at| at <= state.events);
        if due {
            state.wake_at = None;
        }
        due
    }

    /// Ends when a rule is broken or the awaited event has happened. May end for nothing.
    pub(crate) async fn woken(&self) {
        self.0.wake.notified().await;
    }

    /// Events so far: those of the world, and what the programs said and did.
    pub(crate) fn events(&self) -> u64 {
        self.state().story.events()
    }

    /// Looks at the event log.
    pub(crate) fn story<R>(&self, look: impl FnOnce(&str) -> R) -> R {
        look(self.state().story.text())
    }
}
