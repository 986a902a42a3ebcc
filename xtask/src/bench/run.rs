use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::args::BenchArgs;
use super::commit::Commit;
use super::document::{Document, Failed};
use super::group::{self, Group, Unmeasured};
use super::limits::Limits;
use super::machine::Machine;
use super::{gate, row};
use crate::built;
use crate::error::TaskError;
use crate::process::{repository_root, seconds};

const EXIT_WRONG_COMMAND_LINE: u8 = 2;
const EXIT_BUILD_FAILED: u8 = 4;

/// Measures all groups, or those that are named, one after the other.
pub(crate) fn run(args: &BenchArgs) -> Result<ExitCode, TaskError> {
    if args.gate {
        let code = gate::run()?;
        return Ok(ExitCode::from(code.unwrap_or(EXIT_BUILD_FAILED)));
    }
    let limits = Limits::of(&repository_root())?;
    eprintln!("== build");
    let Some(groups) = group::all()? else { return Ok(ExitCode::from(EXIT_BUILD_FAILED)) };
    if args.list {
        let width = groups.iter().map(|group| group.name.len()).max().unwrap_or_default();
        groups.iter().for_each(|group| println!("{:<width$}  {}", group.name, group.about));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = args.only.iter().find(|name| groups.iter().all(|group| group.name != **name)) {
        let known: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        eprintln!("error: there is no group {unknown:?}; there are: {}", known.join(", "));
        return Ok(ExitCode::from(EXIT_WRONG_COMMAND_LINE));
    }
    let nobody_measures: Vec<&str> = limits
        .names()
        .filter(|name| args.only.is_empty() && groups.iter().all(|group| group.name != *name))
        .collect();
    let is_chosen = |group: &Group| args.only.is_empty() || args.only.contains(&group.name);
    // All is built before anything is measured: a compiler that was just busy leaves a slow machine.
    let mut commands = Vec::new();
    for group in groups.into_iter().filter(is_chosen) {
        let Some(command) = group.command()? else { return Ok(ExitCode::from(EXIT_BUILD_FAILED)) };
        commands.push((group.name, command));
    }

    let mut document = Document {
        machine: Machine::this()?,
        commit: Commit::current(),
        figures: Vec::new(),
        failed: Vec::new(),
    };
    let scratch = built::target_folder()?.join("xtask-bench");
    for (name, command) in commands {
        let progress = Progress::new(&name);
        let (figures, unmeasured) = group::measure(command, &scratch, |line| progress.show(line))?;
        drop(progress);
        document.figures.extend(row::of_group(&name, &figures, &limits)?);
        if let Some(Unmeasured(why)) = unmeasured {
            document.failed.push(Failed { group: name, why });
        }
    }
    for name in nobody_measures {
        document.figures.extend(row::of_group(name, &[], &limits)?);
    }
    if args.json {
        println!("{}", serde_json::json!(document));
    } else {
        print!("\n{document}");
    }
    Ok(ExitCode::from(document.verdict()))
}

/// Says on standard error what is measured; on a terminal also what was measured last.
struct Progress {
    bar: ProgressBar,
    group: String,
    began: Instant,
}

impl Progress {
    fn new(group: &str) -> Self {
        eprintln!("== {group}");
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, group: group.to_owned(), began: Instant::now() }
    }

    fn show(&self, line: &str) {
        self.bar.set_message(line.to_owned());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        eprintln!("-- {}: {}", self.group, seconds(self.began.elapsed()));
    }
}
