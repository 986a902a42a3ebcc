use std::fmt;
use std::time::Duration;

use crate::process::seconds;

/// What one test program, or one crate's documentation tests, reported.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    name: String,
    counts: Counts,
    took: Duration,
}

/// Numbers of tests by their result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

/// Collects the summary lines of `cargo test` from its output, which is fed to it line by line.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    current: String,
    parts: Vec<Part>,
}

impl Summary {
    /// Takes one line of output, without its line end.
    pub(crate) fn line(&mut self, line: &str) {
        let text = line.trim();
        if let Some(name) = part_name(text) {
            self.current = name;
        } else if let Some((counts, took)) = result_line(text) {
            self.parts.push(Part { name: self.current.clone(), counts, took });
        }
    }

    pub(crate) fn total(&self) -> Counts {
        self.parts.iter().fold(Counts::default(), |sum, part| Counts {
            passed: sum.passed + part.counts.passed,
            failed: sum.failed + part.counts.failed,
            ignored: sum.ignored + part.counts.ignored,
        })
    }
}

/// `Running tests/ssh.rs (target/debug/deps/ssh-0123456789abcdef)` and `Doc-tests pool_api` start a part.
fn part_name(text: &str) -> Option<String> {
    if let Some(package) = text.strip_prefix("Doc-tests ") {
        return Some(format!("{package}, documentation"));
    }
    let (source, program) = text.strip_prefix("Running ")?.split_once(" (")?;
    let program = program.strip_suffix(')')?;
    let file = program.rsplit('/').next().unwrap_or(program);
    let package = file.rsplit_once('-').map_or(file, |(name, _hash)| name);
    let source = source.strip_prefix("unittests ").unwrap_or(source);
    Some(format!("{package}, {source}"))
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.12s`
fn result_line(text: &str) -> Option<(Counts, Duration)> {
    let (_verdict, rest) = text.strip_prefix("test result: ")?.split_once(". ")?;
    let mut counts = Counts::default();
    let mut took = Duration::ZERO;
    for field in rest.split("; ") {
        if let Some(time) = field.strip_prefix("finished in ") {
            took = Duration::try_from_secs_f64(time.strip_suffix('s')?.parse().ok()?).ok()?;
            continue;
        }
        let (number, kind) = field.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        match kind {
            "passed" => counts.passed = number,
            "failed" => counts.failed = number,
            "ignored" => counts.ignored = number,
            _ => {}
        }
    }
    Some((counts, took))
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.parts.iter().filter(|part| part.counts != Counts::default()) {
            let Counts { passed, failed, ignored } = part.counts;
            write!(out, "{passed:>5} passed {failed:>3} failed {ignored:>3} ignored ")?;
            writeln!(out, "{:>12}  {}", seconds(part.took), part.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
   Compiling pool-api v0.1.0
     Running unittests src/lib.rs (target/debug/deps/pool_api-29a27bb1e35d4d07)

running 2 tests
test ids::tests::short ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.25s

     Running tests/open_ssh.rs (/tmp/t/debug/deps/open_ssh-0123456789abcdef)
test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 5 filtered out; finished in 61.50s

   Doc-tests pool_api
test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    fn summary(output: &str) -> Summary {
        let mut summary = Summary::default();
        output.lines().for_each(|line| summary.line(line));
        summary
    }

    #[test]
    fn the_total_counts_every_part() {
        assert_eq!(summary(OUTPUT).total(), Counts { passed: 5, failed: 1, ignored: 2 });
    }

    #[test]
    fn each_part_with_tests_is_shown_with_its_name_and_time() {
        let shown = summary(OUTPUT).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 2, "{shown}");
        assert!(lines[0].ends_with("0.2 s  pool_api, src/lib.rs"), "{shown}");
        assert!(lines[1].ends_with("1 min 01 s  open_ssh, tests/open_ssh.rs"), "{shown}");
    }

    #[test]
    fn what_a_test_prints_is_not_taken_for_a_result() {
        let total = summary("the test result: ok. 9 passed; 0 failed\ntest result: strange").total();
        assert_eq!(total, Counts::default());
    }
}
