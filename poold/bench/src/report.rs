//! What is measured, on standard output: one JSON object a line, as it comes.

use serde::Serialize;
use std::{
    io::{self, Write as _},
    time::Duration,
};

/// One measured figure. Its limit, if it has one, is in `limits.toml`, by its id.
#[derive(Debug, Serialize)]
struct Figure<'a> {
    /// Words with dots between them: the group, then what was measured.
    id: &'a str,
    value: f64,
    unit: Unit,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Seconds,
    PerSecond,
    Bytes,
    /// One figure as a multiple of another that was measured in the same run.
    Ratio,
}

/// Says a figure.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn say(id: &str, value: f64, unit: Unit) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Figure { id, value, unit })?;
    line.push(b'\n');
    io::stdout().write_all(&line)
}

/// Says a rate: so many of something in so much time.
pub(crate) fn rate(id: &str, count: usize, took: Duration) -> io::Result<f64> {
    let rate = count as f64 / took.as_secs_f64();
    say(id, rate, Unit::PerSecond)?;
    Ok(rate)
}

/// Says the median, the 99th percentile and the maximum of some durations, as `ID.median`, `ID.p99`, `ID.max`.
pub(crate) fn spread(id: &str, mut durations: Vec<Duration>) -> io::Result<()> {
    durations.sort_unstable();
    let Some(last) = durations.len().checked_sub(1) else {
        return Err(io::Error::other(format!("{id}: nothing was measured")));
    };
    for (name, at) in [("median", last / 2), ("p99", last * 99 / 100), ("max", last)] {
        say(&format!("{id}.{name}"), durations[at].as_secs_f64(), Unit::Seconds)?;
    }
    Ok(())
}
