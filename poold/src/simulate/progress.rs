//! How far it is, for people who wait at a terminal. On standard error.

use super::ledger::Ledger;
use crate::commands::duration;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

/// What is over before that shows nothing.
const FIRST_SHOWN: Duration = Duration::from_millis(500);
const SHOWN_EVERY: Duration = Duration::from_millis(100);

/// A bar, where somebody sees it.
#[derive(Debug)]
pub(super) struct Progress {
    show_at: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let seen = std::io::stderr().is_terminal();
        Self { show_at: seen.then(|| Instant::now() + FIRST_SHOWN), bar: None }
    }

    /// Shows it, if it is time. `now` is simulated.
    pub(super) fn update(&mut self, ledger: &Ledger, now: Duration) {
        let real = Instant::now();
        if self.show_at.is_none_or(|at| at > real) {
            return;
        }
        self.show_at = Some(real + SHOWN_EVERY);
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{elapsed:>4} jobs {bar:40} {pos}/{len}  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(ledger.jobs.len() as u64).with_style(style.progress_chars("█▌ "))
        });
        bar.set_position(ledger.over as u64);
        let counts = &ledger.counts;
        bar.set_message(format!(
            "after {}: {} instances, {} jobs run, {} wait",
            duration(now),
            counts.instances,
            counts.running,
            counts.waiting
        ));
    }

    pub(super) fn finish(&mut self) {
        self.show_at = None;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
