//! What the pool asks, and what it is answered.

use super::{
    Daemon, broken,
    reading::Read,
    runs::{News, Phase},
    session::{SessionId, Stage},
    settings::LONGEST_POWER_OFF,
};
use crate::{
    attach::{Answer, Greeting},
    error::chain,
    order::{self, Act, Order},
};
use pool_api::{JobSpec, RunId};
use pool_protocol::{
    HelloToPool, HelloToRunner, KillTimes, Refusal, RequestError, RequestId, ToPool, ToRunner, check_spec,
};
use serde::Deserialize;
use std::{io, time::Instant};

/// What a connection may begin with.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum First {
    Attach(Greeting),
    Pool(Box<ToRunner>),
}

/// A start that is answered when its keeper has said how it went.
#[derive(Debug)]
pub(super) struct PendingStart {
    run: RunId,
    session: SessionId,
    request: RequestId,
}

impl Daemon {
    pub(super) fn say(&mut self, session: SessionId, frame: &ToPool) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.say(frame, Instant::now());
        }
    }

    /// Says it to whoever is attached.
    pub(super) fn say_to_all(&mut self, frame: &ToPool) {
        let now = Instant::now();
        for session in self.sessions.values_mut().filter(|session| session.stage == Stage::Attached) {
            session.say(frame, now);
        }
    }

    pub(super) fn is_attached(&self) -> bool {
        self.sessions.values().any(|session| session.stage == Stage::Attached)
    }

    /// Handles what came before a hello.
    pub(super) fn first(&mut self, id: SessionId, stage: Stage, frame: First) {
        match frame {
            First::Attach(greeting) if stage == Stage::New => self.greeted(id, &greeting),
            First::Pool(frame) => match *frame {
                ToRunner::Hello(hello) => self.hello(id, &hello),
                _ => self.refuse(id, Refusal::NoHello),
            },
            First::Attach(_) => self.refuse(id, Refusal::NoHello),
        }
    }

    fn greeted(&mut self, id: SessionId, greeting: &Greeting) {
        let make_room =
            greeting.may_replace && greeting.program_hash != self.program_hash && !self.runs.any_going_on();
        if make_room {
            log!("a daemon of another program takes over");
            self.leaving = true;
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.stage = Stage::Greeted;
            session.say(if make_room { &Answer::Leaving } else { &Answer::Serve }, Instant::now());
        }
    }

    pub(super) fn refuse(&mut self, id: SessionId, refusal: Refusal) {
        self.say(id, &ToPool::Refused { refusal });
        self.close(id);
    }

    fn close(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.close(Instant::now());
        }
    }

    fn hello(&mut self, id: SessionId, hello: &HelloToRunner) {
        let told = self.settings.told().map(|told| (&told.instance_set, told.epoch));
        let version = match hello.accept(told) {
            Ok(version) => version,
            Err(refusal) => return self.refuse(id, refusal),
        };
        let too_long = hello.power_off.as_ref().is_some_and(|command| command.len() > LONGEST_POWER_OFF);
        let stored = if too_long {
            Err(io::Error::other(format!("the power-off command has more than {LONGEST_POWER_OFF} bytes")))
        } else {
            self.settings.take(hello)
        };
        if let Err(error) = stored {
            // The protocol has no word for it; the pool sees the session end, and tries again.
            log!("a hello cannot be recorded: {error}");
            return self.close(id);
        }
        // All of a lower epoch, and an older one of the same: that is a connection that its pool has lost.
        for (other, session) in &mut self.sessions {
            if *other != id && session.stage == Stage::Attached {
                session.close(Instant::now());
            }
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.stage = Stage::Attached;
        }
        self.say(
            id,
            &ToPool::Hello(HelloToPool {
                version,
                release: env!("CARGO_PKG_VERSION").to_owned(),
                program_hash: self.program_hash.clone(),
                pid: std::process::id(),
            }),
        );
        let exited =
            |(run, end): (&RunId, &_)| ToPool::Exited { run: run.clone(), end: Box::new(Clone::clone(end)) };
        let ended: Vec<ToPool> = self.runs.ended(&hello.instance_set).map(exited).collect();
        for frame in &ended {
            self.say(id, frame);
        }
        self.tell_if_broken();
    }

    /// Handles what comes after a hello.
    pub(super) fn request(&mut self, id: SessionId, frame: ToRunner) {
        let (request, result) = match frame {
            ToRunner::Hello(_) => {
                log!("a session says hello twice");
                return self.close(id);
            }
            ToRunner::Read { request, run, stream, offset, limit, wait } => {
                return self.read(id, request, Read { run, stream, offset, limit }, wait);
            }
            ToRunner::List { request } => {
                let Some(told) = self.settings.told() else { return };
                let runs = self.runs.reports(&told.instance_set);
                let broken = broken::reason(&self.layout);
                return self.say(id, &ToPool::Runs { request, runs, broken });
            }
            ToRunner::Start { request, run, spec } => return self.start(id, request, run, *spec),
            ToRunner::Kill { request, run, reason, times } => (request, self.kill(&run, &reason, times)),
            ToRunner::Forget { request, run } => {
                (request, if self.runs.forget(&run) { Ok(()) } else { Err(RequestError::StillRunning) })
            }
            ToRunner::Hold { request, held } => {
                let hold = self.settings.hold(held);
                (request, hold.map_err(|error| RequestError::NotRecorded { detail: chain(&error) }))
            }
            ToRunner::Exit { request } => {
                let may_leave = !self.runs.any_going_on();
                self.leaving |= may_leave;
                (request, if may_leave { Ok(()) } else { Err(RequestError::StillRunning) })
            }
        };
        self.say(
            id,
            &match result {
                Ok(()) => ToPool::Done { request },
                Err(error) => ToPool::Failed { request, error },
            },
        );
    }

    fn start(&mut self, session: SessionId, request: RequestId, run: RunId, spec: JobSpec) {
        let known = self.runs.get(&run).is_some();
        if !known {
            let Some(told) = self.settings.told() else { return };
            let set = told.instance_set.clone();
            let result = check_spec(&spec).and_then(|()| {
                let started = self.runs.start(&set, &run, spec);
                started.map_err(|detail| RequestError::NotRecorded { detail })
            });
            if let Err(error) = result {
                return self.say(session, &ToPool::Failed { request, error });
            }
        }
        match self.runs.get(&run).map(|run| &run.phase) {
            Some(Phase::Starting { .. }) => self.starts.push(PendingStart { run, session, request }),
            Some(Phase::Ended(end)) => {
                let end = end.clone();
                self.say(session, &ToPool::Done { request });
                self.say(session, &ToPool::Exited { run, end });
            }
            Some(Phase::Unreadable { .. }) => {
                let detail = "its record cannot be read: forget it first".to_owned();
                let error = RequestError::NotRecorded { detail };
                self.say(session, &ToPool::Failed { request, error });
            }
            Some(Phase::Running { .. } | Phase::Clearing) | None => {
                self.say(session, &ToPool::Done { request });
            }
        }
    }

    fn kill(&self, id: &RunId, reason: &str, times: KillTimes) -> Result<(), RequestError> {
        let run = self.runs.get(id).ok_or(RequestError::UnknownRun)?;
        let Some(control) = run.control() else { return Ok(()) };
        match order::send(control, &Order { run: id.clone(), act: Act::kill(reason, times) }) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(RequestError::Invalid { detail: format!("its keeper takes no orders: {error}") })
            }
            // A keeper that has just ended has ended its run.
            _ => Ok(()),
        }
    }

    /// Passes on what a look at a run has brought.
    pub(super) fn tell_news(&mut self, run: &RunId, news: Option<News>) {
        if let Some(news) = news {
            let (about, others) = std::mem::take(&mut self.starts).into_iter().partition(|it| it.run == *run);
            self.starts = others;
            for PendingStart { session, request, .. } in about {
                let frame = match news {
                    News::Started | News::Ended { .. } => ToPool::Done { request },
                    News::NeverStarted => {
                        let detail = "its keeper could not begin; the daemon's log says why".to_owned();
                        ToPool::Failed { request, error: RequestError::NotRecorded { detail } }
                    }
                };
                self.say(session, &frame);
            }
            if matches!(news, News::Started | News::Ended { start_untold: true }) {
                self.say_to_all(&ToPool::Started { run: run.clone() });
            }
            if matches!(news, News::Ended { .. })
                && let Some(end) = self.runs.get(run).and_then(|run| run.end())
            {
                let end = Box::new(end.clone());
                self.say_to_all(&ToPool::Exited { run: run.clone(), end });
            }
        }
        self.look_after_reads(run);
    }

    /// Tells each pool once of each change.
    pub(super) fn tell_if_broken(&mut self) {
        let reason = broken::reason(&self.layout);
        let now = Instant::now();
        for session in self.sessions.values_mut().filter(|session| session.stage == Stage::Attached) {
            if session.told_broken != reason {
                if let Some(reason) = reason.clone() {
                    session.say(&ToPool::Broken { reason }, now);
                }
                session.told_broken.clone_from(&reason);
            }
        }
    }
}
