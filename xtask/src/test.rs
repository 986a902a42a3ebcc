use std::io::{BufRead, BufReader, PipeReader, Write};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Instant;

use crate::error::TaskError;
use crate::process::{cargo, not_started, seconds, shown, succeeds};
use crate::test_prerequisites;
use crate::test_summary::{Counts, Summary};

const EXIT_PREREQUISITE_MISSING: u8 = 3;
const EXIT_BUILD_FAILED: u8 = 4;

/// Written to the pipe of the tests' output once cargo has ended. The end of the file is not waited for: a
/// process that a test has left behind may hold the other end open for ever.
const END_OF_OUTPUT: &str = "\u{0}xtask: end of the tests' output\u{0}";

#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Only this package (may be given several times; other features are then chosen, so that some
    /// dependencies may be compiled again)
    #[arg(short, long, value_name = "PACKAGE")]
    package: Vec<String>,
    /// Leave out the tests in the documentation
    #[arg(long)]
    quick: bool,
    /// Arguments for the test programs, after `--`: `-- --nocapture --test-threads=1`
    #[arg(last = true)]
    harness: Vec<String>,
}

impl TestArgs {
    fn packages(&self) -> impl Iterator<Item = &str> {
        self.package.iter().flat_map(|package| ["--package", package])
    }

    /// Builds all targets of the default members with their default features.
    ///
    /// Not `--workspace`: the cloud drivers' SDKs are left to their own tests. `--all-targets`, so that the
    /// dependencies' features are those that `cargo test` chooses too, and nothing is compiled twice; and because
    /// some tests start another member's program.
    fn build(&self) -> Command {
        let mut command = cargo(["build", "--locked", "--all-targets"]);
        command.args(self.packages());
        command
    }

    fn test(&self) -> Command {
        let mut command = cargo(["test", "--locked", "--no-fail-fast"]);
        command.args(self.packages());
        if self.quick {
            // Every target but the documentation, and without an error where a package has no library.
            command.arg("--tests");
        }
        command.args(&self.filter);
        if !self.harness.is_empty() {
            command.arg("--").args(&self.harness);
        }
        // The summary lines are read by this program, and colours would be in the way.
        command.env("CARGO_TERM_COLOR", "never");
        command
    }
}

pub(crate) fn run(args: &TestArgs) -> Result<ExitCode, TaskError> {
    if let Some(text) = test_prerequisites::missing() {
        eprintln!("error: {text}");
        return Ok(ExitCode::from(EXIT_PREREQUISITE_MISSING));
    }
    if let Some(done) = test_prerequisites::prepare()? {
        println!("{done}");
    }

    let started = Instant::now();
    let mut build = args.build();
    println!("== {}", shown(&build));
    if !succeeds(&mut build)? {
        return Ok(ExitCode::from(EXIT_BUILD_FAILED));
    }
    let built = started.elapsed();

    let mut test = args.test();
    println!("== {}", shown(&test));
    let (status, summary) = run_tests(&mut test, std::io::stdout())?;
    let total = summary.total();

    println!("\n== summary\n{summary}");
    let Counts { passed, failed, ignored } = total;
    println!(
        "{passed} passed, {failed} failed, {ignored} ignored; build {}, tests {}",
        seconds(built),
        seconds(started.elapsed() - built)
    );
    let only_lists = args.harness.iter().any(|argument| argument == "--list");
    if only_lists && status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(verdict(status.success(), total))
}

fn verdict(cargo_succeeded: bool, total: Counts) -> ExitCode {
    if !cargo_succeeded || total.failed > 0 {
        eprintln!("error: tests failed; their output is above");
        return ExitCode::FAILURE;
    }
    if total.passed == 0 {
        // A filter with a typing mistake must not look like a success.
        eprintln!("error: no test ran; `cargo xtask test -- --list` lists them");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Runs the tests, shows their output as it comes, and collects the results from it.
///
/// Both of cargo's streams go into one pipe, for the order of their lines tells which result belongs to which
/// part.
fn run_tests(
    command: &mut Command,
    out: impl Write + Send + 'static,
) -> Result<(ExitStatus, Summary), TaskError> {
    let lost = |command: &Command| {
        let command = shown(command);
        move |source| TaskError::Output { command, source }
    };
    let (reader, mut writer) = std::io::pipe().map_err(lost(command))?;
    let stdout = writer.try_clone().map_err(lost(command))?;
    let stderr = writer.try_clone().map_err(lost(command))?;
    let mut child =
        command.stdout(stdout).stderr(stderr).spawn().map_err(|source| not_started(command, source))?;
    let forwarder = std::thread::spawn(move || forward(reader, out));

    let status = child.wait().map_err(lost(command))?;
    // Fails only if the reader has ended before; its own error, below, says why.
    let _ended_before = writeln!(writer, "\n{END_OF_OUTPUT}");
    let summary = match forwarder.join() {
        Ok(result) => result.map_err(lost(command))?,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    Ok((status, summary))
}

fn forward(reader: PipeReader, mut out: impl Write) -> std::io::Result<Summary> {
    let mut summary = Summary::default();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(summary);
        }
        let text = String::from_utf8_lossy(&line);
        if text.trim_end() == END_OF_OUTPUT {
            return Ok(summary);
        }
        summary.line(&text);
        out.write_all(&line)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(quick: bool) -> TestArgs {
        TestArgs {
            filter: Some("p17".into()),
            package: vec!["pool-core".into()],
            quick,
            harness: vec!["--nocapture".into()],
        }
    }

    fn arguments(command: &Command) -> Vec<String> {
        command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn everything_is_passed_on_to_cargo() {
        let passed_on = arguments(&args(false).test()).join(" ");
        assert_eq!(passed_on, "test --locked --no-fail-fast --package pool-core p17 -- --nocapture");
    }

    #[test]
    fn quick_leaves_out_the_documentation() {
        let passed_on = arguments(&args(true).test()).join(" ");
        assert!(passed_on.contains("--package pool-core --tests p17"), "{passed_on}");
    }

    #[test]
    fn a_run_without_any_test_is_a_failure() {
        let one = Counts { passed: 1, ..Counts::default() };
        assert_eq!(verdict(true, Counts::default()), ExitCode::FAILURE);
        assert_eq!(verdict(false, one), ExitCode::FAILURE);
        assert_eq!(verdict(true, one), ExitCode::SUCCESS);
    }

    #[test]
    fn a_process_left_behind_does_not_hold_up_the_end() {
        // `cat` inherits the pipe of the output, outlives the shell, and ends when `keep_running` is dropped.
        let (input, keep_running) = std::io::pipe().unwrap();
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut shell = Command::new("sh");
            let script = "exec 3<&0; cat <&3 & echo 'test result: ok. 1 passed; finished in 0.00s'";
            shell.args(["-c", script]).stdin(input);
            send.send(
                run_tests(&mut shell, std::io::sink())
                    .map(|(status, summary)| (status.success(), summary.total())),
            )
        });
        let result = receive.recv_timeout(std::time::Duration::from_secs(30));
        drop(keep_running);
        let (success, total) = result.expect("ends although `cat` still runs").unwrap();
        assert!(success);
        assert_eq!(total.passed, 1);
    }
}
