//! What was committed is there after SIGKILL at any moment.

use super::support::{Temporary, record, request, submit, update};
use crate::{
    job::JobState,
    queue::{JobReader as _, Queue, SqliteQueue},
};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// Set for the child: the queue's file.
const PATH: &str = "POOLD_TEST_CRASH_QUEUE";

/// Not a test by itself: what the child of the test below does, which runs this program again with nothing but this.
#[test]
fn child() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let mut queue = SqliteQueue::open(Path::new(&path)).unwrap();
    let mut out = std::io::stdout().lock();
    loop {
        let first = queue.next_number();
        let jobs = usize::try_from(first % 7 + 1).unwrap();
        let change = submit(&queue, (0..jobs).map(|_| request(&"x".repeat(jobs * 1000))));
        queue.commit(&[change]).unwrap();
        let last = queue.next_number() - 1;
        writeln!(out, "\nsubmitted {first} {last}").unwrap();
        queue.commit(&[update(first, record(JobState::Complete, Some(first)))]).unwrap();
        writeln!(out, "\nended {first}").unwrap();
    }
}

#[test]
fn what_was_said_to_be_committed_is_there_after_sigkill() {
    let temporary = Temporary::new();
    let (mut submitted, mut ended) = (0, Vec::new());
    // Opening and making are among the moments.
    for after_lines in [0, 1, 2, 3, 5, 20, 50, 100, 200, 300] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "queue::tests::crash::child", "--nocapture"])
            .env(PATH, temporary.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut killed = false;
        let (mut line, mut lines) = (String::new(), 0);
        while out.read_line(&mut line).unwrap() > 0 {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["submitted", first, last] => {
                    assert!(first.parse::<u64>().unwrap() > submitted, "a number was given twice");
                    submitted = last.parse().unwrap();
                    lines += 1;
                }
                ["ended", number] => {
                    ended.push(number.parse::<u64>().unwrap());
                    lines += 1;
                }
                _ => {}
            }
            line.clear();
            if lines >= after_lines && !killed {
                // Somewhere in what it does next.
                std::thread::sleep(Duration::from_micros(rand::random_range(0..3000)));
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "it ended by itself");
        let queue = temporary.open();
        assert!(queue.next_number() > submitted);
        for number in 1..=submitted {
            assert!(queue.job(number).unwrap().is_some(), "job {number} is gone");
        }
        for number in &ended {
            assert_eq!(queue.job(*number).unwrap().unwrap().record.state, JobState::Complete);
        }
        submitted = queue.next_number() - 1;
    }
    assert!(ended.len() > 100, "{} changes", ended.len());
}
