//! Counts the instructions of each decision and of each plan, and fails where they are more than is allowed:
//! `cargo bench -p pool-state --bench gate`. With names such as `state/start_job` it looks at those alone.
//!
//! Instructions, for they are as many on a busy machine as on an idle one, and they see a look at every worker, which
//! allocations do not. Valgrind's callgrind counts them; it must be installed.
//!
//! Each line of the output is one count in JSON. Exit codes: 0 all is well; 1 something takes more than it may; 3 Valgrind
//! is missing, or has failed.

#![expect(clippy::unwrap_used, reason = "fixed texts, known to be valid")]

mod world;

use std::{
    env,
    process::{Child, Command, ExitCode, Output, Stdio},
    thread::available_parallelism,
};
use world::{
    case::{Case, Make},
    decisions, plans,
};

/// What a case may cost.
struct Limit {
    /// Its group and name.
    name: &'static str,
    /// With how many workers, or for a plan jobs, it runs.
    size: usize,
    /// How often it runs: what a decision costs varies with the shape of the trees that it changes.
    rounds: u64,
    /// The most instructions that it may take each time: some 15 % over what it took when this was set.
    instructions: u64,
    /// How many times as much it may take as with a tenth of the workers, in hundredths; zero: that does not matter.
    growth: u64,
}

const fn limit(name: &'static str, rounds: u64, instructions: u64, growth: u64) -> Limit {
    Limit { name, size: 10_000, rounds, instructions, growth }
}

/// As log n does from 1,000 to 10,000.
const LOG: u64 = 133;
/// As n log n does.
const N_LOG_N: u64 = 1333;

const LIMITS: [Limit; 12] = [
    limit("state/start_job", 64, 15_700, LOG),
    limit("state/kill_job", 64, 12_200, 0),
    limit("state/create", 64, 13_600, 0),
    limit("state/set_idle_behavior", 64, 15_900, 0),
    limit("state/probed", 64, 16_400, 0),
    limit("state/listed", 2, 17_900_000, N_LOG_N),
    limit("state/instances", 2, 13_300_000, N_LOG_N),
    limit("plan/cold", 1, 65_000_000, 0),
    limit("plan/nothing_changed", 4, 3_600_000, 0),
    limit("plan/one_job_queued", 16, 3_600_000, 0),
    limit("plan/one_worker_freed", 16, 3_530_000, 0),
    limit("plan/one_of_10000_workers_freed", 16, 21_900_000, 0),
];

/// The function whose instructions are counted, with those of all that it calls.
#[inline(never)]
fn measured(case: &mut dyn Case) {
    case.run();
}

/// What Valgrind runs.
fn run(name: &str, size: usize, rounds: u64) {
    let groups = [("state", &decisions::ALL[..]), ("plan", &plans::ALL)];
    let (group, name) = name.split_once('/').unwrap();
    let (_, cases) = groups.into_iter().find(|(known, _)| *known == group).unwrap();
    let make: &Make = cases.iter().find_map(|(known, make)| (*known == name).then_some(make)).unwrap();
    let mut case = make(size);
    for _ in 0..rounds {
        case.prepare();
        measured(&mut *case);
    }
}

/// This program, under Valgrind, with one case.
fn start(limit: &Limit, size: usize) -> std::io::Result<Child> {
    Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=gate::measured*"])
        .arg(env::current_exe()?)
        .args(["--run", limit.name, &size.to_string(), &limit.rounds.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
}

/// Instructions of one round.
fn count(output: &Output, rounds: u64) -> Option<u64> {
    let text = String::from_utf8_lossy(&output.stderr);
    let (_, rest) = text.split_once("Collected : ").filter(|_| output.status.success())?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse::<u64>().ok().filter(|count| *count > 0).map(|count| count / rounds)
}

/// The counts of all that is to be looked at, each with the size it was counted with.
fn count_all<'a>(limits: &[&'a Limit]) -> Result<Vec<(&'a Limit, usize, u64)>, String> {
    let sizes = |limit: &&'a Limit| {
        let smaller = (limit.growth > 0).then_some(limit.size / 10);
        let limit = *limit;
        smaller.into_iter().chain([limit.size]).map(move |size| (limit, size))
    };
    let all: Vec<(&Limit, usize)> = limits.iter().flat_map(sizes).collect();
    let mut counts = Vec::new();
    for some in all.chunks(available_parallelism().map_or(1, usize::from)) {
        let children: Result<Vec<Child>, _> = some.iter().map(|(limit, size)| start(limit, *size)).collect();
        let children = children.map_err(|error| format!("valgrind cannot be started: {error}"))?;
        for ((limit, size), child) in some.iter().zip(children) {
            let output = child.wait_with_output().map_err(|error| error.to_string())?;
            let count = count(&output, limit.rounds).ok_or_else(|| {
                format!("{}: valgrind failed: {}", limit.name, String::from_utf8_lossy(&output.stderr))
            })?;
            counts.push((*limit, *size, count));
        }
    }
    Ok(counts)
}

fn check(wanted: &[String]) -> Result<bool, String> {
    let chosen = |limit: &&Limit| wanted.is_empty() || wanted.iter().any(|name| name == limit.name);
    let limits: Vec<&Limit> = LIMITS.iter().filter(chosen).collect();
    let mut smaller = None;
    let mut all_is_well = true;
    for (limit, size, count) in count_all(&limits)? {
        let Limit { name, growth, .. } = limit;
        let most = if size < limit.size {
            smaller = Some(count);
            None
        } else {
            let grown = smaller.take().map(|smaller| smaller * growth / 100);
            Some(grown.map_or(limit.instructions, |grown| grown.min(limit.instructions)))
        };
        let shown = most.map_or_else(|| "null".to_owned(), |most| most.to_string());
        println!(r#"{{"id":"gate/{name}/{size}","value":{count},"unit":"instructions","limit":{shown}}}"#);
        if most.is_some_and(|most| count > most) {
            eprintln!("error: {name} of {size} takes {count} instructions, and may take {shown}");
            all_is_well = false;
        }
    }
    Ok(all_is_well)
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [flag, name, size, rounds] = &args[..]
        && flag == "--run"
    {
        run(name, size.parse().unwrap(), rounds.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    match check(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}
