//! What the machine itself can do: what all else is measured beside.

use crate::{
    error::BenchError,
    report::{Unit, rate, say},
};
use std::{
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long each yardstick is measured.
const MEASURE_FOR: Duration = Duration::from_secs(3);

pub(crate) fn run(dir: &Path) -> Result<(), BenchError> {
    spawn_and_wait()?;
    insert(dir)
}

/// A process that does nothing: one after the other, and one at a time on each processor. Returns the latter's rate.
pub(crate) fn spawn_and_wait() -> Result<f64, BenchError> {
    let (count, took) = count_calls(1, MEASURE_FOR, spawn)?;
    rate("yardstick.spawn.one_by_one", count, took)?;
    let processors = thread::available_parallelism().map_err(BenchError::failed("count the processors"))?;
    let (count, took) = count_calls(processors.get(), MEASURE_FOR, spawn)?;
    Ok(rate("yardstick.spawn.on_all_processors", count, took)?)
}

fn spawn() -> Result<(), BenchError> {
    let status = Command::new("true").stdin(Stdio::null()).stdout(Stdio::null()).status();
    if !status.map_err(BenchError::failed("run `true`"))?.success() {
        return Err(BenchError::Wrong("`true` has failed".into()));
    }
    Ok(())
}

/// How often something was done, and in how long.
pub(crate) type Measured = (usize, Duration);

/// How often something can be done, by so many threads at once, each time after the other.
pub(crate) fn count_calls(
    callers: usize,
    measure_for: Duration,
    call: impl Fn() -> Result<(), BenchError> + Sync,
) -> Result<Measured, BenchError> {
    call()?;
    let began = Instant::now();
    let calls = || {
        let mut count = 0;
        while began.elapsed() < measure_for {
            call()?;
            count += 1;
        }
        Ok::<usize, BenchError>(count)
    };
    let counts = thread::scope(|scope| {
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(calls)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Result<Vec<_>, _>>()
    })?;
    Ok((counts.iter().sum(), began.elapsed()))
}

/// A row in a transaction of its own, on disk before the next: with the settings of the program's queue.
fn insert(dir: &Path) -> Result<(), BenchError> {
    let open = || {
        let file = rusqlite::Connection::open(dir.join("yardstick.sqlite"))?;
        file.pragma_update(None, "journal_mode", "wal")?;
        file.pragma_update(None, "synchronous", "full")?;
        file.execute_batch("create table job (number integer primary key, text text not null)")?;
        Ok::<_, rusqlite::Error>(file)
    };
    let file = open().map_err(BenchError::failed("make an SQLite file"))?;
    let text = "x".repeat(300);
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < MEASURE_FOR {
        file.execute("insert into job (text) values (?1)", [&text])
            .map_err(BenchError::failed("insert a row"))?;
        count += 1;
    }
    let rate = rate("yardstick.sqlite.commits", count, began.elapsed())?;
    say("yardstick.sqlite.commit", 1.0 / rate, Unit::Seconds)?;
    Ok(())
}
