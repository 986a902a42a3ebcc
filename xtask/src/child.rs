use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::error::TaskError;
use crate::process::{not_started, shown};

/// How much of what a process says on its standard error is kept: the end.
const STDERR_KEPT: usize = 4096;

/// How a process has come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It was killed after its time.
    TooLate(Duration),
    /// It was killed because nothing more was wanted of it.
    Enough,
}

/// A process that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) end: End,
    /// The end of its standard error.
    pub(crate) stderr: String,
}

impl Ended {
    /// Its exit code, if it ended by itself and not by a signal.
    pub(crate) fn code(&self) -> Option<i32> {
        match &self.end {
            End::Exited(status) => status.code(),
            End::TooLate(_) | End::Enough => None,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.end {
            End::Exited(status) => write!(out, "the program ended with {status}")?,
            End::TooLate(limit) => {
                write!(out, "it hangs: it had not ended after {} s and was killed", limit.as_secs())?;
            }
            End::Enough => write!(out, "the program was stopped")?,
        }
        match self.stderr.trim() {
            "" => Ok(()),
            said => write!(out, ": {said}"),
        }
    }
}

/// Runs a process and hands over its standard output line by line, until it ends, its time is up or `on_line` breaks.
///
/// Ctrl-C on a terminal ends the processes with this one: they are of its group.
pub(crate) fn run(
    command: &mut Command,
    limit: Duration,
    mut on_line: impl FnMut(&str) -> ControlFlow<()>,
) -> Result<Ended, TaskError> {
    let lost = |command: &Command| {
        let command = shown(command);
        move |source| TaskError::Output { command, source }
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|source| not_started(command, source))?;
    let mut child = KilledWhenDropped(child);
    let (Some(stdout), Some(stderr)) = (child.0.stdout.take(), child.0.stderr.take()) else {
        unreachable!("both are pipes");
    };
    let (lines, received) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let stderr = std::thread::spawn(move || tail(stderr));
    let deadline = Instant::now() + limit;
    let early = loop {
        match received.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if on_line(&line).is_break() {
                    break Some(End::Enough);
                }
            }
            Err(RecvTimeoutError::Timeout) => break Some(End::TooLate(limit)),
            Err(RecvTimeoutError::Disconnected) => break None,
        }
    };
    if early.is_some() {
        child.kill();
    }
    let status = child.0.wait().map_err(lost(command))?;
    let stderr = stderr.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    Ok(Ended { end: early.unwrap_or(End::Exited(status)), stderr })
}

/// No process outlives whoever reads from it, also where that panics.
struct KilledWhenDropped(Child);

impl KilledWhenDropped {
    fn kill(&mut self) {
        // Fails only for a process that has ended and been waited for.
        drop(self.0.kill());
    }
}

impl Drop for KilledWhenDropped {
    fn drop(&mut self) {
        self.kill();
        drop(self.0.wait());
    }
}

fn tail(mut stream: impl Read) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..count]);
        let surplus = kept.len().saturating_sub(STDERR_KEPT);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn lines_come_one_by_one_and_the_end_is_told() {
        let mut lines = Vec::new();
        let ended = run(&mut shell("echo one; echo two; echo oh >&2; exit 1"), LONG, |line| {
            lines.push(line.to_owned());
            ControlFlow::Continue(())
        });
        let ended = ended.unwrap();
        assert_eq!(
            (lines.as_slice(), ended.code()),
            (["one".to_owned(), "two".to_owned()].as_slice(), Some(1))
        );
        assert_eq!(ended.to_string(), "the program ended with exit status: 1: oh");
    }

    #[test]
    fn who_has_heard_enough_need_not_wait_for_the_end() {
        let ended = run(&mut shell("echo one; exec sleep 600"), LONG, |_| ControlFlow::Break(())).unwrap();
        assert_eq!((&ended.end, ended.code()), (&End::Enough, None));
    }

    #[test]
    fn a_process_that_hangs_is_killed() {
        let limit = Duration::from_millis(50);
        let ended = run(&mut shell("exec sleep 600"), limit, |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(ended.end, End::TooLate(limit));
        assert!(ended.to_string().starts_with("it hangs"), "{ended}");
    }

    #[test]
    fn of_much_text_the_end_is_kept() {
        let text = "a".repeat(STDERR_KEPT) + "the end";
        let kept = tail(text.as_bytes());
        assert_eq!(kept.len(), STDERR_KEPT);
        assert!(kept.ends_with("the end"));
    }
}
