//! From the job's start to its end.

use super::{
    Keeper, Tools,
    ending::{Ending, TIME_LIMIT_GRACE, after},
    job::Job,
    leftovers::{Family, GRACE, Usage},
};
use crate::{
    journal::RunRecord,
    order::{self, Act, Order},
    text,
};
use pool_api::RunId;
use pool_protocol::{Outcome, OutputStream, RunEnd};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Signal, WaitStatus, kill_process_group},
};
use std::{
    io,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

/// How often orphans are reaped that end while the job goes on.
const REAP_EVERY: Duration = Duration::from_secs(10);

/// A run that goes on.
pub(super) struct Watch<'a> {
    keeper: &'a Keeper<'a>,
    run: &'a RunId,
    job: Job,
    family: Family,
    time_limit: Option<(Duration, Instant)>,
    ending: Option<Ending>,
    output_failed: Option<String>,
    tools: &'a mut Tools,
    /// What the daemon wants to be told of.
    tell: Vec<(OutputStream, u64)>,
}

/// What `poll` has found.
struct Ready {
    ended: bool,
    orders: bool,
    stdout: bool,
    stderr: bool,
}

impl<'a> Watch<'a> {
    pub(super) fn new(keeper: &'a Keeper<'a>, job: Job, record: &'a RunRecord, tools: &'a mut Tools) -> Self {
        let now = Instant::now();
        Self {
            keeper,
            run: &record.run,
            family: Family { job: job.pid },
            job,
            time_limit: record.spec.time_limit.map(|limit| (limit, after(now, limit))),
            ending: None,
            output_failed: None,
            tools,
            tell: Vec::new(),
        }
    }

    pub(super) fn until_end(mut self, started_ms: u64, before: &Usage) -> RunEnd {
        let mut reap_at = Instant::now() + REAP_EVERY;
        loop {
            let ready = self.wait(reap_at);
            self.pump(&ready);
            if ready.ended {
                break;
            }
            if ready.orders {
                self.take_orders();
            }
            self.signal_if_due();
            self.tell_of_output();
            if Instant::now() >= reap_at {
                self.family.reap_orphans();
                reap_at = Instant::now() + REAP_EVERY;
            }
        }
        let ended_ms = text::now_ms();
        let status = self.end_leftovers();
        if let Err(error) = self.job.streams.finish(&mut self.tools.buffer) {
            self.output_failed.get_or_insert(error.to_string());
        }
        let usage = Usage::of_children().ok();
        let cpu_time = |usage: &Usage| usage.cpu_time.saturating_sub(before.cpu_time);
        RunEnd {
            outcome: match (self.output_failed, status) {
                (Some(reason), _) => Outcome::OutputFailed { reason: text::reason(&reason) },
                (None, Some(status)) => outcome(status),
                (None, None) => Outcome::Unknown,
            },
            killed: self.ending.map(|ending| ending.reason),
            started_ms: Some(started_ms),
            ended_ms,
            peak_memory: usage.as_ref().map(|usage| usage.peak_memory),
            cpu_time_ms: usage.map(|usage| u64::try_from(cpu_time(&usage).as_millis()).unwrap_or(u64::MAX)),
            stdout: self.job.streams.stdout.size(),
            stderr: self.job.streams.stderr.size(),
        }
    }

    /// Waits until something happens or is due.
    fn wait(&self, reap_at: Instant) -> Ready {
        let limit = self.time_limit.filter(|_| self.ending.is_none()).map(|(_, at)| at);
        let next =
            [limit, self.ending.as_ref().map(Ending::next)].into_iter().flatten().fold(reap_at, Instant::min);
        let stdin = io::stdin();
        let (stdout, stderr) = (&self.job.streams.stdout.pipe, &self.job.streams.stderr.pipe);
        let mut fds = vec![
            PollFd::new(&self.job.pidfd, PollFlags::IN),
            PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN),
        ];
        fds.extend(stdout.iter().chain(stderr).map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        poll_until(&mut fds, next);
        let ready = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
        let after_stdout = 2 + usize::from(stdout.is_some());
        Ready {
            ended: ready(0),
            orders: ready(1),
            stdout: stdout.is_some() && ready(2),
            stderr: stderr.is_some() && ready(after_stdout),
        }
    }

    fn pump(&mut self, ready: &Ready) {
        for (ready, stream) in [(ready.stdout, OutputStream::Stdout), (ready.stderr, OutputStream::Stderr)] {
            if ready
                && let Err(error) = self.job.streams.pump(stream, &mut self.tools.buffer)
                && self.output_failed.is_none()
            {
                self.output_failed = Some(error.to_string());
                self.signal(Signal::KILL);
            }
        }
    }

    fn take_orders(&mut self) {
        let mut buffer = [0; 4096];
        let Ok(length) = rustix::io::read(io::stdin().as_fd(), &mut buffer) else { return };
        self.tools.orders.push(&buffer[..length]);
        loop {
            match self.tools.orders.next_frame::<Order>() {
                // For a run that has ended meanwhile.
                Ok(Some(order)) if order.run != *self.run => {}
                Ok(Some(Order { act: Act::Kill { reason, times }, .. })) => self.begin_ending(reason, times),
                Ok(Some(Order { act: Act::Tell { stream, beyond }, .. })) => self.tell.push((stream, beyond)),
                Ok(None) => break,
                // From a daemon of another release. What is understood is done.
                Err(error) => log!("{}: an order is not understood: {error}", self.keeper.name),
            }
        }
    }

    /// The first reason counts.
    fn begin_ending(&mut self, reason: String, times: pool_protocol::KillTimes) {
        self.ending.get_or_insert_with(|| Ending::new(Instant::now(), reason, times));
    }

    fn signal_if_due(&mut self) {
        let now = Instant::now();
        if let Some((limit, at)) = self.time_limit
            && now >= at
        {
            self.begin_ending(format!("time limit of {limit:?} reached"), TIME_LIMIT_GRACE);
        }
        if let Some(signal) = self.ending.as_mut().and_then(|ending| ending.due(now)) {
            self.signal(signal);
        }
    }

    /// To the job's process group. Its process was not reaped yet, so the number is still the group's.
    fn signal(&self, signal: Signal) {
        if let Err(error) = kill_process_group(self.job.pid, signal) {
            log!("{}: cannot send {signal:?}: {error}", self.keeper.name);
        }
    }

    fn tell_of_output(&mut self) {
        let streams = &self.job.streams;
        let before = self.tell.len();
        self.tell.retain(|(stream, beyond)| streams.of(*stream).size().kept <= *beyond);
        if self.tell.len() < before {
            self.keeper.say(order::NEWS);
        }
    }

    /// Gives what the job's process has left behind a moment to end by itself, then ends it.
    fn end_leftovers(&mut self) -> Option<WaitStatus> {
        const LOOK_EVERY: Duration = Duration::from_millis(5);
        let deadline = Instant::now() + GRACE;
        let mut left = self.family.reap_orphans();
        // Unless it was told to end: then there was grace enough.
        while left > 0 && self.ending.is_none() && self.output_failed.is_none() && Instant::now() < deadline {
            // Their output may be what they wait to get rid of.
            let mut ready = self.wait_for_output(LOOK_EVERY);
            ready.ended = true;
            self.pump(&ready);
            left = self.family.reap_orphans();
        }
        self.family.end(left > 0)
    }

    fn wait_for_output(&self, longest: Duration) -> Ready {
        let is_ready = |pipe: &Option<std::fs::File>, until| {
            pipe.as_ref().is_some_and(|pipe| {
                let mut fds = [PollFd::new(pipe, PollFlags::IN)];
                poll_until(&mut fds, until);
                !fds[0].revents().is_empty()
            })
        };
        let streams = &self.job.streams;
        let now = Instant::now();
        Ready {
            ended: true,
            orders: false,
            stdout: is_ready(&streams.stdout.pipe, now + longest),
            stderr: is_ready(&streams.stderr.pipe, now),
        }
    }
}

fn poll_until(fds: &mut [PollFd<'_>], until: Instant) {
    let left = until.saturating_duration_since(Instant::now());
    let timeout = Timespec::try_from(left).unwrap_or_default();
    match poll(fds, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => {}
        // Only for want of memory in the kernel, or a mistake of ours: never spin.
        Err(error) => {
            log!("cannot poll: {error}");
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

fn outcome(status: WaitStatus) -> Outcome {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Outcome::Exited { code },
        (None, Some(number)) => Outcome::Signaled { signal: signal_name(number) },
        (None, None) => Outcome::Unknown,
    }
}

fn signal_name(number: i32) -> String {
    let named = [
        (Signal::HUP, "HUP"),
        (Signal::INT, "INT"),
        (Signal::QUIT, "QUIT"),
        (Signal::ILL, "ILL"),
        (Signal::TRAP, "TRAP"),
        (Signal::ABORT, "ABRT"),
        (Signal::BUS, "BUS"),
        (Signal::FPE, "FPE"),
        (Signal::KILL, "KILL"),
        (Signal::USR1, "USR1"),
        (Signal::SEGV, "SEGV"),
        (Signal::USR2, "USR2"),
        (Signal::PIPE, "PIPE"),
        (Signal::ALARM, "ALRM"),
        (Signal::TERM, "TERM"),
        (Signal::XCPU, "XCPU"),
        (Signal::XFSZ, "XFSZ"),
        (Signal::VTALARM, "VTALRM"),
        (Signal::PROF, "PROF"),
        (Signal::IO, "IO"),
        (Signal::POWER, "PWR"),
        (Signal::SYS, "SYS"),
    ];
    named
        .iter()
        .find(|(signal, _)| signal.as_raw() == number)
        .map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}
