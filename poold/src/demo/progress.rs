//! What people see while it runs: bars on a terminal, plain lines elsewhere. On standard error.

use super::queue::Counts;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{io::IsTerminal, time::Duration};

/// The bars, or none.
pub(crate) struct Progress {
    bars: Option<Bars>,
}

struct Bars {
    all: MultiProgress,
    jobs: ProgressBar,
    workers: ProgressBar,
}

impl Progress {
    pub(crate) fn new(jobs: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bars: None };
        }
        let all = MultiProgress::new();
        let style = |template: &str| {
            ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("█▌ ")
        };
        let jobs = all.add(ProgressBar::new(jobs as u64));
        jobs.set_style(style("{elapsed:>4} jobs    {bar:40} {pos}/{len}  {msg}"));
        let workers = all.add(ProgressBar::new(1));
        workers.set_style(style("     workers {msg}"));
        Self { bars: Some(Bars { all, jobs, workers }) }
    }

    /// Something worth a line has happened.
    pub(crate) fn say(&self, now: Duration, line: &str) {
        let line = format!("{:6.2}s {line}", now.as_secs_f64());
        match &self.bars {
            // An error means that the terminal is gone.
            Some(bars) => drop(bars.all.println(line)),
            None => eprintln!("{line}"),
        }
    }

    /// The numbers have changed.
    pub(crate) fn update(&self, counts: Counts, workers: &str) {
        if let Some(bars) = &self.bars {
            bars.jobs.set_position(counts.done as u64);
            bars.jobs.set_message(format!("{} running, {} waiting", counts.running, counts.queued));
            bars.workers.set_message(workers.to_owned());
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bars) = &self.bars {
            bars.jobs.finish_and_clear();
            bars.workers.finish_and_clear();
        }
    }
}
