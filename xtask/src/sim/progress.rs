use std::fmt::Display;

use indicatif::{ProgressBar, ProgressStyle};

/// A line that shows how far it is, where standard error is a terminal; nothing elsewhere.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Of `total` of what `unit` says.
    pub(crate) fn new(total: u64, unit: &'static str) -> Self {
        let bar = ProgressBar::new(total);
        let template = format!("{{wide_bar}} {{pos}} of {{len}} {unit}, {{elapsed}}, {{eta}} left");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// So many more are done.
    pub(crate) fn add(&self, count: u64) {
        self.0.inc(count);
    }

    /// Prints a line to standard output, above what shows how far it is.
    pub(crate) fn say(&self, line: impl Display) {
        self.0.suspend(|| println!("{line}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
