//! Waits for what happens, and handles it.

use super::{
    Daemon, broken,
    keepers::KeeperId,
    reap_children,
    session::{Session, SessionId, Stage},
};
use crate::{error::RunnerError, layout};
use pool_api::RunId;
use pool_protocol::{FrameError, Refusal};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _},
    os::unix::net::UnixListener,
    thread,
    time::{Duration, Instant},
};

/// Most connections at once. One pool has one; the others are lost ones.
const MOST_SESSIONS: usize = 64;
/// How long after a keeper's end it is tried to reap it: it closes its files a little before it is gone.
const REAP_FOR: Duration = Duration::from_secs(1);
const REAP_EVERY: Duration = Duration::from_millis(100);
/// With nothing at all to wait for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What `poll` was asked to watch.
enum Watched {
    Listener,
    Notify,
    Session(SessionId),
    Line(KeeperId),
    Keeper(RunId),
}

impl Daemon {
    /// Until it is time to leave.
    pub(super) fn serve(&mut self, listener: &UnixListener, notify: &File) -> Result<(), RunnerError> {
        while !self.leaving {
            for (watched, flags) in self.wait(listener, notify)? {
                match watched {
                    Watched::Listener => self.accept(listener),
                    Watched::Notify => self.notified(notify),
                    Watched::Session(id) => self.session_ready(id, flags),
                    Watched::Line(keeper) => {
                        let heard = self.runs.listen(keeper, Instant::now());
                        if heard.gone {
                            self.reap_soon();
                        }
                        if let Some((run, news)) = heard.about {
                            self.tell_news(&run, news);
                        }
                    }
                    Watched::Keeper(run) => {
                        self.reap_soon();
                        let news = self.runs.keeper_gone(&run);
                        self.tell_news(&run, news);
                    }
                }
            }
            self.handle_timeout(Instant::now());
            self.send();
            self.look_after_orphan(Instant::now());
        }
        for session in self.sessions.values_mut() {
            session.send_last();
        }
        Ok(())
    }

    fn wait(&self, listener: &UnixListener, notify: &File) -> Result<Vec<(Watched, PollFlags)>, RunnerError> {
        let mut watched = vec![Watched::Listener, Watched::Notify];
        let mut fds = vec![PollFd::new(listener, PollFlags::IN), PollFd::new(notify, PollFlags::IN)];
        for (id, session) in &self.sessions {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, session.wants_input());
            flags.set(PollFlags::OUT, session.wants_output());
            fds.push(PollFd::new(&session.stream, flags));
            watched.push(Watched::Session(*id));
        }
        for (keeper, line) in self.runs.lines() {
            fds.push(PollFd::new(line, PollFlags::IN));
            watched.push(Watched::Line(keeper));
        }
        for (run, control) in self.runs.controls() {
            // Only for the error that tells that nobody reads any longer.
            fds.push(PollFd::new(control, PollFlags::empty()));
            watched.push(Watched::Keeper(run.clone()));
        }
        let now = Instant::now();
        let timeout = self.next(now).saturating_duration_since(now);
        // Rounded up: waking too early would be waking twice.
        let timeout = Timespec::try_from(timeout + Duration::from_millis(1)).unwrap_or_default();
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(RunnerError::System { what: "wait for events", source: error.into() }),
        }
        let flags = fds.iter().map(PollFd::revents);
        Ok(watched.into_iter().zip(flags).filter(|(_, flags)| !flags.is_empty()).collect())
    }

    /// When something is due even if nothing happens.
    fn next(&self, now: Instant) -> Instant {
        let sessions = self.sessions.values().map(Session::next);
        let broken = self.is_attached().then_some(self.broken_check_at);
        let reap = self.reap_until.map(|_| now + REAP_EVERY);
        let others = [broken, reap, self.orphaned_at(), self.runs.next()];
        sessions.chain(others.into_iter().flatten()).fold(now + LONGEST_WAIT, Instant::min)
    }

    fn handle_timeout(&mut self, now: Instant) {
        for session in self.sessions.values_mut() {
            session.handle_timeout(now);
        }
        if self.is_attached() && now >= self.broken_check_at {
            self.broken_check_at = now + broken::CHECK_EVERY;
            self.tell_if_broken();
        }
        if self.runs.dismiss_keepers(now) {
            self.reap_soon();
        }
        // Costs next to nothing, and catches those that took longer than `REAP_FOR`.
        reap_children();
        self.reap_until = self.reap_until.filter(|until| now < *until);
    }

    /// A child is about to end.
    pub(super) fn reap_soon(&mut self) {
        self.reap_until = Some(Instant::now() + REAP_FOR);
    }

    fn accept(&mut self, listener: &UnixListener) {
        match listener.accept() {
            Ok((stream, _)) if self.sessions.len() < MOST_SESSIONS => {
                match Session::new(stream, Instant::now()) {
                    Ok(session) => {
                        self.sessions.insert(self.next_session, session);
                        self.next_session += 1;
                    }
                    Err(error) => log!("a connection cannot be used: {error}"),
                }
            }
            Ok(_) => log!("a connection is refused: {MOST_SESSIONS} are open"),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted) => {}
            Err(error) => {
                log!("cannot accept a connection: {error}");
                // Probably out of descriptors. The connection still waits: never spin on it.
                thread::sleep(REAP_EVERY);
            }
        }
    }

    /// Keepers have something to say that an earlier daemon has started, or a thread that has cleared up behind one.
    fn notified(&mut self, mut notify: &File) {
        // Each write is shorter than PIPE_BUF, and so is whole, but a read may end within one.
        let mut bytes = [0; 4096];
        let length = notify.read(&mut bytes).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes[..length]);
        let runs: BTreeSet<RunId> = text.lines().filter_map(layout::run_of_name).collect();
        for run in runs {
            let news = self.runs.look(&run);
            self.tell_news(&run, news);
        }
    }

    fn session_ready(&mut self, id: SessionId, flags: PollFlags) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let hung_up = flags.intersects(PollFlags::HUP | PollFlags::ERR) && !session.wants_input();
        let received = if session.wants_input() && flags.intersects(PollFlags::IN | PollFlags::HUP) {
            session.receive(Instant::now())
        } else {
            Ok(())
        };
        if hung_up || received.is_err() {
            self.drop_session(id);
        }
    }

    /// Handles the frames that have come, and sends what there is to be sent.
    fn send(&mut self) {
        let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in ids {
            // Frames are left alone while much is to be sent; once that was sent, they are due.
            while self.handle_frame(id) {
                while self.handle_frame(id) {}
                if self.sessions.get_mut(&id).is_some_and(|session| session.send().is_err()) {
                    self.drop_session(id);
                }
            }
        }
        // After all were handled: one may have made another say something, or close.
        let now = Instant::now();
        let over: Vec<SessionId> = self
            .sessions
            .iter_mut()
            .filter_map(|(id, session)| (session.send().is_err() || session.is_over(now)).then_some(*id))
            .collect();
        for id in over {
            self.drop_session(id);
        }
    }

    /// Handles the next frame of a connection, if there is one.
    fn handle_frame(&mut self, id: SessionId) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let stage = session.stage;
        let result = if stage == Stage::Attached {
            session.next_frame().map(|frame| frame.map(|frame| self.request(id, frame)))
        } else {
            session.next_frame().map(|frame| frame.map(|frame| self.first(id, stage, frame)))
        };
        match result {
            Ok(handled) => handled.is_some(),
            Err(error) => {
                self.bad_frame(id, stage, &error);
                false
            }
        }
    }

    /// What follows cannot be trusted to begin at a frame's beginning.
    fn bad_frame(&mut self, id: SessionId, stage: Stage, error: &FrameError) {
        log!("a session ends: {error}");
        if stage == Stage::Attached {
            self.drop_session(id);
        } else {
            self.refuse(id, Refusal::NoHello);
        }
    }

    fn drop_session(&mut self, id: SessionId) {
        self.sessions.remove(&id);
        self.reads.retain(|waiting| waiting.session != id);
    }
}
