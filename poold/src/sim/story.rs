//! What happens in a run, line by line: the same seed tells the same story, byte by byte.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

/// The event log.
#[derive(Debug)]
pub(crate) struct Story {
    text: String,
    told: bool,
    events: u64,
}

impl Story {
    /// `told`: the lines are kept, else only counted.
    pub(crate) fn new(told: bool) -> Self {
        Self { text: String::new(), told, events: 0 }
    }

    /// Adds a line.
    pub(crate) fn tell(&mut self, at: Duration, what: fmt::Arguments<'_>) {
        self.events += 1;
        if self.told {
            // Writing to a String does not fail.
            let _ = writeln!(self.text, "{:>10.3} {what}", at.as_secs_f64());
        }
    }

    /// How many lines there were.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}
