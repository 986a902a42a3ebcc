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

/// A process that does nothing: one after the other, and one at a time on each processor.
fn spawn_and_wait() -> Result<(), BenchError> {
    let began = Instant::now();
    let count = spawn_until(began + MEASURE_FOR)?;
    rate("yardstick.spawn.one_by_one", count, began.elapsed())?;

    let processors =
        thread::available_parallelism().map_err(BenchError::failed("count the processors"))?.get();
    let began = Instant::now();
    let counts = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..processors).map(|_| scope.spawn(|| spawn_until(began + MEASURE_FOR))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Result<Vec<_>, _>>()
    })?;
    rate("yardstick.spawn.on_all_processors", counts.iter().sum(), began.elapsed())?;
    Ok(())
}

fn spawn_until(end: Instant) -> Result<usize, BenchError> {
    let mut count = 0;
    while Instant::now() < end {
        let status = Command::new("true").stdin(Stdio::null()).stdout(Stdio::null()).status();
        if !status.map_err(BenchError::failed("run `true`"))?.success() {
            return Err(BenchError::Wrong("`true` has failed".into()));
        }
        count += 1;
    }
    Ok(count)
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
