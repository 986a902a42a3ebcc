use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::seeds::Seeds;

/// Seeds that are run when nothing is chosen.
const DEFAULT_SEEDS: &str = "0..200";

/// Run the pool and its program in a simulated cloud, with faults drawn from seeds, and check what must always hold
#[derive(Debug, clap::Args)]
#[command(after_help = "Without a choice, the seeds 0..200 are run.\n\
    Exit codes: 0 all is well; 1 a check failed; 2 wrong command line; 3 something is missing; 4 the build failed.")]
pub(crate) struct SimArgs {
    /// Run these seeds, on all processor cores
    #[arg(long, value_name = "A..B", group = "choice")]
    seeds: Option<Seeds>,
    /// Run the seeds that have found something before: those of poold/sim/regressions.toml
    #[arg(long, group = "choice")]
    regressions: bool,
    /// Run this seed, and tell what happens
    #[arg(long, value_name = "N", group = "choice")]
    seed: Option<u64>,
    /// Run this scenario (may be given several times)
    #[arg(long, value_name = "NAME", group = "choice")]
    scenario: Vec<String>,
    /// Run every scenario
    #[arg(long, group = "choice")]
    scenarios: bool,
    /// List the scenarios
    #[arg(long, group = "choice")]
    list: bool,
    /// Run each of these seeds in two processes, and compare what happened byte by byte
    #[arg(long, value_name = "A..B", group = "choice")]
    twice: Option<Seeds>,
    /// Show that the checks can fail: run with each change of poold/sim/mutants.toml, or with those that are named
    #[arg(long, value_name = "NAME", num_args = 0.., group = "choice")]
    mutants: Option<Vec<String>>,
    /// Of the seed's faults, only these, by number
    #[arg(long, value_name = "1,4,7", requires = "seed")]
    only_faults: Option<String>,
    /// Tell what happens in a scenario, too
    #[arg(long)]
    story: bool,
    /// Do not tell what happens with the seed, but only what came of it
    #[arg(long, requires = "seed", conflicts_with = "story")]
    brief: bool,
    /// Do not look for the faults that a violation takes
    #[arg(long)]
    no_shrink: bool,
    /// Write the log of all events to this file
    #[arg(long, value_name = "FILE", requires = "seed")]
    log: Option<PathBuf>,
    /// How many processes run at a time; as many as there are cores if it is not given
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// A process that takes longer is killed, and its seed is named
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    limit: u64,
    /// Print the result of --seeds or --regressions as JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice<'a> {
    Seeds(Seeds),
    Regressions,
    Seed(u64),
    Scenarios(&'a [String]),
    AllScenarios,
    List,
    Twice(Seeds),
    Mutants(&'a [String]),
}

/// How processes are run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// So many at a time.
    pub(crate) jobs: usize,
    /// Each for no longer than this.
    pub(crate) limit: Duration,
}

impl SimArgs {
    pub(crate) fn choice(&self) -> Choice<'_> {
        if let Some(seed) = self.seed {
            Choice::Seed(seed)
        } else if self.regressions {
            Choice::Regressions
        } else if !self.scenario.is_empty() {
            Choice::Scenarios(&self.scenario)
        } else if self.scenarios {
            Choice::AllScenarios
        } else if self.list {
            Choice::List
        } else if let Some(seeds) = self.twice {
            Choice::Twice(seeds)
        } else if let Some(names) = &self.mutants {
            Choice::Mutants(names)
        } else {
            Choice::Seeds(self.seeds.unwrap_or_else(default_seeds))
        }
    }

    pub(crate) fn pace(&self) -> Pace {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Pace { jobs: self.jobs.unwrap_or_else(cores).get(), limit: Duration::from_secs(self.limit) }
    }

    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// What the program is told for one seed.
    pub(crate) fn seed_arguments(&self, seed: u64) -> Vec<String> {
        let mut arguments = vec!["run".to_owned(), "--seed".to_owned(), seed.to_string()];
        if let Some(faults) = &self.only_faults {
            arguments.extend(["--only-faults".to_owned(), faults.clone()]);
        }
        if let Some(file) = &self.log {
            arguments.extend(["--log".to_owned(), file.display().to_string()]);
        }
        arguments.extend(how_it_is_told(!self.brief, self.no_shrink));
        arguments
    }

    /// What the program is told for one scenario.
    pub(crate) fn scenario_arguments(&self, name: &str) -> Vec<String> {
        let mut arguments = vec!["scenario".to_owned(), name.to_owned()];
        arguments.extend(how_it_is_told(self.story, self.no_shrink));
        arguments
    }
}

fn how_it_is_told(story: bool, no_shrink: bool) -> impl Iterator<Item = String> {
    let wishes = [("--story", story), ("--no-shrink", no_shrink)];
    wishes.into_iter().filter(|(_, wanted)| *wanted).map(|(option, _)| option.to_owned())
}

fn default_seeds() -> Seeds {
    DEFAULT_SEEDS.parse().unwrap_or_else(|_| Seeds::one(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: SimArgs,
    }

    fn parse(line: &str) -> Result<SimArgs, clap::Error> {
        Line::try_parse_from(std::iter::once("sim").chain(line.split_whitespace())).map(|line| line.args)
    }

    #[test]
    fn what_is_chosen_is_run() {
        let choice = |line: &str, expected: Choice<'_>| assert_eq!(parse(line).unwrap().choice(), expected);
        choice("", Choice::Seeds("0..200".parse().unwrap()));
        choice("--seeds 3..5", Choice::Seeds("3..5".parse().unwrap()));
        choice("--regressions", Choice::Regressions);
        choice("--scenario a --scenario b", Choice::Scenarios(&["a".to_owned(), "b".to_owned()]));
        choice("--scenarios", Choice::AllScenarios);
        choice("--list", Choice::List);
        choice("--twice 0..2", Choice::Twice("0..2".parse().unwrap()));
        choice("--mutants", Choice::Mutants(&[]));
        choice("--mutants a b", Choice::Mutants(&["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn two_choices_are_none() {
        for line in [
            "--seed 1 --seeds 0..2",
            "--list --scenarios",
            "--mutants --twice 0..1",
            "--story --log f",
            "--regressions --seed 1",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn wishes_for_one_seed_are_passed_on() {
        let args = parse("--seed 7 --only-faults 1,4 --story --log f").unwrap();
        assert_eq!(args.choice(), Choice::Seed(7));
        let passed_on = args.seed_arguments(7).join(" ");
        assert_eq!(passed_on, "run --seed 7 --only-faults 1,4 --log f --story");
        let brief = parse("--seed 7 --brief").unwrap();
        assert_eq!(brief.seed_arguments(7).join(" "), "run --seed 7");
        assert_eq!(parse("--seed 7").unwrap().seed_arguments(7).join(" "), "run --seed 7 --story");
        let args = parse("--scenario a --no-shrink").unwrap();
        assert_eq!(args.scenario_arguments("a").join(" "), "scenario a --no-shrink");
    }
}
