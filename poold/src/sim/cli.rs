//! The command line of `poold-sim`.

use super::{
    checks::Violation,
    director::{self, Figures, Outcome},
    draw,
    live::{self, LiveOptions},
    scenarios,
    setting::Setting,
    shrink,
};
use clap::{Parser, Subcommand};
use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

/// All went well.
const OK: u8 = 0;
/// A rule was broken.
const FAILED: u8 = 1;
/// It could not be run.
const BAD_INPUT: u8 = 2;

/// Runs the whole program in simulated time, with faults from a seed
#[derive(Parser, Debug)]
#[command(name = "poold-sim")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// One seed
    Run {
        #[arg(long)]
        seed: u64,
        /// Leaves out all faults but these, by their places in the list, with commas between
        #[arg(long, value_name = "PLACES", value_delimiter = ',', num_args = 0..)]
        only_faults: Option<Vec<usize>>,
        #[command(flatten)]
        output: Output,
    },
    /// One of the scenarios that have a name
    Scenario {
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Many seeds, one after the other: a line of JSON for each that fails, and one at the end
    Batch {
        /// From the first to before the last: 0..200
        #[arg(long, value_name = "A..B", value_parser = range)]
        seeds: (u64, u64),
        /// Does not look for the faults that it takes
        #[arg(long)]
        no_shrink: bool,
    },
    /// The scenarios that have a name
    List,
    /// Serves the API of a large pool on the simulated cloud, in real time, until Ctrl-C
    Serve(LiveOptions),
}

#[derive(clap::Args, Debug)]
struct Output {
    /// Prints the event log
    #[arg(long)]
    story: bool,
    /// Writes the event log to a file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Does not look for the faults that it takes
    #[arg(long)]
    no_shrink: bool,
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let parse = |text: &str| text.trim().parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    let (from, to) = text.split_once("..").ok_or("write it as 0..200")?;
    let (from, to) = (parse(from)?, parse(to)?);
    if from < to { Ok((from, to)) } else { Err("the first must be before the last".to_owned()) }
}

/// The program.
pub fn main() -> ExitCode {
    let code = match Cli::parse().command {
        Command::Run { seed, only_faults, output } => {
            one(&draw::random(seed), only_faults.as_deref(), &output, &format!("--seed {seed}"))
        }
        Command::Scenario { name, output } => match scenarios::by_name(&name) {
            Some(setting) => one(&setting, None, &output, &format!("--scenario {name}")),
            None => {
                let known: Vec<&str> = scenarios::ALL.iter().map(|scenario| scenario.name).collect();
                Err(io::Error::other(format!(
                    "there is no scenario {name:?}: use one of {}",
                    known.join(", ")
                )))
            }
        },
        Command::Batch { seeds: (from, to), no_shrink } => batch(from, to, no_shrink),
        Command::List => list(),
        Command::Serve(options) => live::serve(&options).map(|()| OK),
    };
    ExitCode::from(code.unwrap_or_else(|error| {
        drop(writeln!(io::stderr(), "poold-sim: {error}"));
        BAD_INPUT
    }))
}

fn list() -> io::Result<u8> {
    for scenario in scenarios::ALL {
        writeln!(io::stdout(), "{:<18} {}", scenario.name, scenario.about)?;
    }
    Ok(OK)
}

fn one(setting: &Setting, only: Option<&[usize]>, output: &Output, reproduce: &str) -> io::Result<u8> {
    let mut out = io::stdout();
    writeln!(out, "{}: {} jobs", setting.name, setting.jobs.len())?;
    let places: Vec<usize> =
        (0..setting.faults.len()).filter(|place| only.is_none_or(|only| only.contains(place))).collect();
    say_faults(&mut out, setting, &places)?;
    let told = output.story || output.log.is_some();
    let Outcome { violation, story, figures } = director::run(setting, only, told)?;
    if let Some(path) = &output.log {
        std::fs::write(path, &story)?;
    }
    if output.story {
        out.write_all(story.as_bytes())?;
    }
    say_figures(&mut out, &figures)?;
    let Some(violation) = violation else {
        writeln!(out, "every rule was kept; every job came to its end, and every instance is gone")?;
        return Ok(OK);
    };
    writeln!(out, "BROKEN: {violation}")?;
    if !output.no_shrink && !places.is_empty() {
        let needed = shrink::shrink(setting, violation.rule, places)?;
        writeln!(out, "these faults are enough for that:")?;
        say_faults(&mut out, setting, &needed)?;
        // Of a scenario there is no run with a part of its faults.
        let only = if reproduce.starts_with("--seed") {
            format!(" --only-faults {}", join(&needed))
        } else {
            String::new()
        };
        writeln!(out, "again: cargo xtask sim {reproduce}{only} --story")?;
    }
    Ok(FAILED)
}

fn join(places: &[usize]) -> String {
    places.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn say_faults(out: &mut impl io::Write, setting: &Setting, places: &[usize]) -> io::Result<()> {
    for place in places {
        if let Some(fault) = setting.faults.get(*place) {
            writeln!(out, "  fault {place}: {fault}")?;
        }
    }
    Ok(())
}

fn say_figures(out: &mut impl io::Write, figures: &Figures) -> io::Result<()> {
    let Figures {
        events,
        simulated,
        real,
        passes,
        lives,
        runs,
        jobs_again,
        jobs,
        most_machines,
        calls,
        frames,
    } = figures;
    writeln!(
        out,
        "{:.0} s of simulated time in {:.3} s: {events} events, {jobs} jobs in {runs} runs ({jobs_again} jobs in more \
         than one), at most {most_machines} instances, {lives} starts of a program, {passes} passes, {calls} calls, \
         {frames} frames",
        simulated.as_secs_f64(),
        real.as_secs_f64(),
    )
}

fn batch(from: u64, to: u64, no_shrink: bool) -> io::Result<u8> {
    let mut out = io::stdout();
    let (mut events, mut simulated, mut real, mut failed) = (0, 0.0, 0.0, 0);
    for seed in from..to {
        let setting = draw::random(seed);
        let Outcome { violation, figures, .. } = director::run(&setting, None, false)?;
        events += figures.events;
        simulated += figures.simulated.as_secs_f64() / 3600.0;
        real += figures.real.as_secs_f64();
        if let Some(violation) = violation {
            failed += 1;
            let line = failure(seed, &setting, &violation, no_shrink)?;
            writeln!(out, "{line}")?;
        }
    }
    let done = to - from;
    let line = serde_json::json!({
        "done": done, "failed": failed, "events": events, "seconds": real, "simulated_hours": simulated,
    });
    writeln!(out, "{line}")?;
    Ok(if failed == 0 { OK } else { FAILED })
}

fn failure(
    seed: u64,
    setting: &Setting,
    violation: &Violation,
    no_shrink: bool,
) -> io::Result<serde_json::Value> {
    let all: Vec<usize> = (0..setting.faults.len()).collect();
    let needed = if no_shrink { all } else { shrink::shrink(setting, violation.rule, all)? };
    let faults: Vec<String> =
        needed.iter().filter_map(|place| setting.faults.get(*place)).map(ToString::to_string).collect();
    Ok(serde_json::json!({
        "seed": seed,
        "rule": violation.rule,
        "violation": violation.to_string(),
        "faults": faults,
        "reproduce": format!("cargo xtask sim --seed {seed} --only-faults {} --story", join(&needed)),
    }))
}
