//! Runs the trials.

use crate::{
    Fixtures, Harness, Missing,
    bench::Bench,
    logs,
    options::Options,
    report::{Outcome, Report, Step, TrialReport},
    secrets::Secrets,
    specification::Specification,
    stop::{Stop, chain},
    trials,
};
use clap::Parser as _;
use futures_util::FutureExt as _;
use libtest_mimic::{Completion, Failed, Trial};
use pool_api::InstanceSetId;
use std::{
    io::Write as _,
    panic::AssertUnwindSafe,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, sync::RwLock, time::timeout};

/// Something that the run needs is missing.
const EXIT_MISSING: u8 = 3;
/// How many trials run at once when the command line does not say: they wait for the cloud most of the time.
const THREADS: usize = 8;
/// Longest time for one trial.
const TRIAL_LIMIT: Duration = Duration::from_secs(180);
/// Longest time for one trial in a real account.
const LIVE_TRIAL_LIMIT: Duration = Duration::from_secs(1800);

/// Runs every trial against a driver, as the command line of this process says, and reports.
///
/// Also the `main` of a test with `harness = false`: it takes the arguments that `cargo test` passes on.
pub fn main(harness: impl Harness) -> ExitCode {
    let options = Options::parse();
    let missing = |Missing(text)| {
        eprintln!("error: {text}");
        ExitCode::from(EXIT_MISSING)
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return missing(Missing(format!("no runtime: {}", chain(&error)))),
    };
    let ended = run(&runtime, Arc::new(harness), options.clone());
    ended.and_then(|ended| conclude(ended, &options)).unwrap_or_else(missing)
}

/// [`main`] for programs: runs trials as a command line says, and gives the report back. Prints nothing of the trials.
///
/// Not to be called within an async runtime, for it starts one. From the first run on, every log line of this process is
/// read (and shown nowhere), which takes time: best in a program of its own.
///
/// # Errors
/// [`Missing`] when something that the run needs is not there, the command line is wrong, or there is nothing to run.
pub fn report(harness: impl Harness, arguments: &[&str]) -> Result<Report, Missing> {
    let mut options = Options::try_parse_from([&["conformance"], arguments].concat())?;
    options.json = true;
    match run(&Runtime::new()?, Arc::new(harness), options)? {
        Ended::Ran(report) => Ok(report),
        Ended::NothingToRun(_) => {
            Err(Missing("the command line names no trial that could be run".to_owned()))
        }
    }
}

/// How a run has ended.
enum Ended {
    /// The names were listed, or none was meant.
    NothingToRun(ExitCode),
    Ran(Report),
}

fn conclude(ended: Ended, options: &Options) -> Result<ExitCode, Missing> {
    match ended {
        Ended::NothingToRun(code) => Ok(code),
        Ended::Ran(report) => {
            publish(&report, options)?;
            Ok(if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

/// What the trials of a run share.
struct Run {
    harness: Arc<dyn Harness>,
    secrets: Arc<Secrets>,
    /// Ended trials.
    reports: Mutex<Vec<TrialReport>>,
    /// Every instance set id that a trial has used.
    ids: Mutex<Vec<InstanceSetId>>,
    /// Held by each trial: shared, or by a trial that runs alone as its only holder.
    turn: RwLock<()>,
    live: bool,
}

fn run(runtime: &Runtime, harness: Arc<dyn Harness>, mut options: Options) -> Result<Ended, Missing> {
    options.libtest.test_threads.get_or_insert(THREADS);
    if options.json {
        // Standard output is for the report.
        options.libtest.logfile = Some("/dev/null".to_owned());
    }
    let mut specifications = trials::all(options.live);
    if options.libtest.list {
        let names = specifications.into_iter().map(|trial| Trial::test(trial.name, || Ok(()))).collect();
        return Ok(Ended::NothingToRun(libtest_mimic::run(&options.libtest, names).exit_code()));
    }
    specifications
        .retain(|trial| !options.libtest.is_filtered_out(&Trial::test(trial.name.clone(), || Ok(()))));
    if specifications.is_empty() {
        return Ok(Ended::NothingToRun(libtest_mimic::run(&options.libtest, Vec::new()).exit_code()));
    }

    let began = Instant::now();
    let secrets = Arc::new(Secrets::default());
    let watching = logs::watch(&secrets);
    runtime.block_on(harness.prepare(&options.settings()))?;
    for secret in harness.secrets() {
        secrets.add(&secret);
    }
    let run = Arc::new(Run {
        harness,
        secrets,
        reports: Mutex::default(),
        ids: Mutex::default(),
        turn: RwLock::default(),
        live: options.live,
    });
    let fixtures = run.harness.fixtures();
    let number: u32 = rand::random();
    let trials = specifications.into_iter().enumerate().map(|(at, specification)| {
        let (run, fixtures, handle) = (Arc::clone(&run), fixtures.clone(), runtime.handle().clone());
        Trial::ignorable_test(specification.name.clone(), move || {
            completion(handle.block_on(run.one(specification, fixtures, &format!("conf-{number:08x}-{at}"))))
        })
    });
    let trials = trials.collect();
    // Every outcome is in the reports too.
    let _ = libtest_mimic::run(&options.libtest, trials);
    let checks = runtime.block_on(run.last_checks(&fixtures, watching));
    runtime.block_on(run.harness.finish());

    let mut reports = std::mem::take(&mut *run.reports.lock().unwrap_or_else(PoisonError::into_inner));
    if !options.json {
        checks.iter().for_each(show_check);
    }
    reports.extend(checks);
    Ok(Ended::Ran(Report::new(run.harness.driver(), options.live, began.elapsed(), reports)))
}

fn publish(report: &Report, options: &Options) -> Result<(), Missing> {
    if let Some(path) = &options.junit {
        report
            .write_junit(path)
            .map_err(|error| Missing(format!("cannot write {}: {}", path.display(), chain(&error))))?;
    }
    let mut out = std::io::stdout().lock();
    if options.json {
        serde_json::to_writer(&mut out, report)?;
        writeln!(out)?;
        return Ok(());
    }
    for trial in report.trials.iter().filter(|trial| !trial.steps.is_empty()) {
        writeln!(out, "\n{}", trial.name)?;
        for step in &trial.steps {
            writeln!(out, "{:>10.3} s  {}", step.seconds, step.name)?;
        }
    }
    let Report { driver, passed, failed, excluded, seconds, .. } = report;
    writeln!(out, "\n{driver}: {passed} passed, {failed} failed, {excluded} excluded in {seconds:.1} s")?;
    Ok(())
}

fn show_check(check: &TrialReport) {
    match &check.outcome {
        Outcome::Passed => println!("check {} ... ok", check.name),
        Outcome::Excluded(why) => println!("check {} ... excluded: {why}", check.name),
        Outcome::Failed(why) => println!("check {} ... FAILED: {why}", check.name),
    }
}

fn completion(outcome: Outcome) -> Result<Completion, Failed> {
    match outcome {
        Outcome::Passed => Ok(Completion::Completed),
        Outcome::Excluded(why) => Ok(Completion::ignored_with(format!("excluded: {why}"))),
        Outcome::Failed(why) => Err(why.into()),
    }
}

impl From<Result<(), Stop>> for Outcome {
    fn from(result: Result<(), Stop>) -> Self {
        match result {
            Ok(()) => Self::Passed,
            Err(Stop::Failed(why)) => Self::Failed(why),
            Err(Stop::Excluded(why)) => Self::Excluded(why),
        }
    }
}

impl Run {
    /// Runs a trial and cleans up after it.
    async fn one(&self, specification: Specification, fixtures: Fixtures, set: &str) -> Outcome {
        let Specification { name, reason, clause, alone, body } = specification;
        // Of the two one is none.
        let _turn =
            if alone { (Some(self.turn.write().await), None) } else { (None, Some(self.turn.read().await)) };
        let began = Instant::now();
        #[expect(clippy::expect_used, reason = "hexadecimal digits and a number keep the rule")]
        let set = InstanceSetId::new(set).expect("a valid id");
        let bench = Bench::new(Arc::clone(&self.harness), Arc::clone(&self.secrets), fixtures, set);

        let limit = if self.live { LIVE_TRIAL_LIMIT } else { TRIAL_LIMIT };
        let mut result = bounded(limit, body(Arc::clone(&bench))).await;
        let cleaned = bounded(limit, bench.clean_up()).await;
        // What a trial has to say first is what went wrong first.
        if let (Ok(()) | Err(Stop::Excluded(_)), Err(Stop::Failed(why))) = (&result, cleaned) {
            result = Err(Stop::Failed(format!("cleaning up after the trial: {why}")));
        }
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).extend(bench.ids());
        let outcome = Outcome::from(result);
        let steps = bench.steps().into_iter().map(|(name, took)| Step { name, seconds: took.as_secs_f64() });
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push(TrialReport {
            name,
            clause: clause.to_string(),
            reason: reason.to_owned(),
            outcome: outcome.clone(),
            seconds: began.elapsed().as_secs_f64(),
            steps: steps.collect(),
        });
        outcome
    }

    /// What must be so after the last trial.
    async fn last_checks(&self, fixtures: &Fixtures, watching: bool) -> Vec<TrialReport> {
        let mut ids = std::mem::take(&mut *self.ids.lock().unwrap_or_else(PoisonError::into_inner));
        ids.sort();
        let began = Instant::now();
        let nothing_left = self.nothing_left(&ids, fixtures.change_limit).await;
        let took = began.elapsed();
        let valid = self.requests_are_valid().await;
        let no_secret = match self.secrets.finds() {
            finds if !finds.is_empty() => Outcome::Failed(finds.join("; ")),
            _ if !watching => {
                Outcome::Excluded("this process sends its log lines elsewhere already".to_owned())
            }
            _ => Outcome::Passed,
        };
        let check = |name: &str, clause: &str, reason: &str, outcome, took: Duration| TrialReport {
            name: name.to_owned(),
            clause: clause.to_owned(),
            reason: reason.to_owned(),
            outcome,
            seconds: took.as_secs_f64(),
            steps: Vec::new(),
        };
        vec![
            check(
                "nothing_of_this_run_is_left_in_the_cloud",
                "destroy",
                "what nobody remembers is paid for all the same",
                nothing_left,
                took,
            ),
            check(
                "every_request_is_as_the_provider_describes_it",
                "clause 1",
                "a server that is not the provider's may let through what the provider refuses",
                valid,
                Duration::ZERO,
            ),
            check(
                "no_secret_is_in_a_log_line_or_an_error",
                "clause 6",
                "who may read a log may not own the machines",
                no_secret,
                Duration::ZERO,
            ),
        ]
    }

    async fn requests_are_valid(&self) -> Outcome {
        match self.harness.faulty_requests().await.map_err(Stop::from) {
            Ok(problems) if problems.is_empty() => Outcome::Passed,
            Ok(problems) => Outcome::Failed(problems.join("; ")),
            Err(stop) => Outcome::from(Err(stop)),
        }
    }

    /// Asks for each set until nothing is left of it; clouds take a while to remove disks and interfaces.
    async fn nothing_left(&self, ids: &[InstanceSetId], patience: Duration) -> Outcome {
        let deadline = Instant::now() + patience;
        let mut all_left = Vec::new();
        for id in ids {
            loop {
                let late = Instant::now() > deadline;
                match self.harness.left(id).await.map_err(Stop::from) {
                    Ok(left) if left.is_empty() => break,
                    Ok(left) if late => {
                        all_left.extend(left);
                        break;
                    }
                    Ok(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                    Err(stop) => return Outcome::from(Err(stop)),
                }
            }
        }
        if all_left.is_empty() { Outcome::Passed } else { Outcome::Failed(all_left.join(", ")) }
    }
}

/// Ends what takes too long or panics as a failure.
async fn bounded(limit: Duration, work: impl Future<Output = Result<(), Stop>>) -> Result<(), Stop> {
    match timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(Stop::Failed(format!("panicked: {}", text.unwrap_or_default())))
        }
        Err(_) => Err(Stop::Failed(format!("did not end within {limit:?}"))),
    }
}
