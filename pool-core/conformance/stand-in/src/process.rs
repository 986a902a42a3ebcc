//! Running a program within a time limit.

use std::{
    io::{self, Read, Write},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

/// All that a program has said, with its end.
pub(crate) fn said(output: &Output) -> String {
    let words = [output.stdout.as_slice(), &output.stderr].concat();
    format!("{}\n{}", String::from_utf8_lossy(&words).trim(), output.status)
}

/// A process that does not outlive its caller's interest.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the program to its end, which is at this limit at the latest.
pub(crate) fn run(command: &mut Command, input: Vec<u8>, limit: Duration) -> io::Result<Output> {
    let deadline = Instant::now() + limit;
    let name = command.get_program().to_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child =
        command.spawn().map_err(|error| io::Error::new(error.kind(), format!("{name:?}: {error}")))?;
    let mut child = Running(child);
    if let Some(mut pipe) = child.0.stdin.take() {
        // A program that ends before it has read everything says why by itself.
        thread::spawn(move || pipe.write_all(&input));
    }
    let (stdout, stderr) = (read(child.0.stdout.take()), read(child.0.stderr.take()));
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("{name:?} has not ended in {limit:.0?}"));
    let text = |output: &Receiver<Vec<u8>>| {
        output.recv_timeout(deadline.saturating_duration_since(Instant::now())).map_err(|_| late())
    };
    let (stdout, stderr) = (text(&stdout)?, text(&stderr)?);
    let status = end(&mut child.0, deadline)?.ok_or_else(late)?;
    Ok(Output { status, stdout, stderr })
}

/// All that comes through the pipe, once it is closed.
fn read(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error is better than nothing.
            let _ = pipe.read_to_end(&mut text);
        }
        // The caller may have given up.
        let _ = sender.send(text);
    });
    receiver
}

/// The end of a process that has closed its output, so that it is near.
fn end(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        let status = child.try_wait()?;
        if status.is_some() || Instant::now() >= deadline {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_ended() {
        let mut command = Command::new("sleep");
        let error = run(command.arg("600"), Vec::new(), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "\"sleep\" has not ended in 50ms");
    }

    #[test]
    fn what_is_read_late_is_written_all_the_same() {
        // More than a pipe holds, both ways.
        let input = vec![b'a'; 1 << 20];
        let output = run(&mut Command::new("cat"), input.clone(), Duration::from_secs(60)).unwrap();
        assert!(output.status.success() && output.stdout == input && output.stderr.is_empty());
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let error =
            run(&mut Command::new("no-such-program"), Vec::new(), Duration::from_secs(60)).unwrap_err();
        assert!(error.to_string().starts_with("\"no-such-program\": "), "{error}");
    }
}
