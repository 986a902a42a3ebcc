//! The command line, and what follows from it.

use super::{
    answer::{Answer, Given},
    job_list::{JobList, JobListError, MAX_TIME},
    provider::{Provider, ProviderError},
    run::{RunError, Setup, simulate},
};
use crate::{
    cli::{FAILED, INTERRUPTED, OK},
    commands::{Console, Failure},
    config::{self, ServeConfig},
    program_config::InputError,
    say::with_causes,
};
use clap::Args;
use driver_loopback::Faults;
use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// `poold simulate`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
No cloud account, no credentials and no running poold are needed, and nothing is created anywhere: the scheduler, the pool and the \
queue are the real ones, the provider and its machines are made up, and time is simulated.

A line of the file of jobs is what `poold submit --file` takes, with these besides, all of which may be left out:
  takes      how long each run of the job takes, as in \"90s\" or \"2h 30m\" [default: --takes]
  at         when it is submitted, counted from the start [default: \"0s\"]
  copies     so many of it [default: 1]
  exit_code  how it ends [default: 0]
For example: {\"command\": [\"./render\"], \"cpus\": 2, \"memory\": \"3 GiB\", \"takes\": \"20m\", \"copies\": 400}

To ask `what if`, change the configuration: POOLD__POOL__MAX_INSTANCES=20 poold simulate --jobs jobs.jsonl

Exit codes: 0 every job has ended, however it did; 1 some have not (it says which wait, and why), or it did not work; 2 the \
command line, the configuration, the file of jobs or that of the provider makes no sense, and nothing was simulated; 130 interrupted.")]
pub(crate) struct SimulateArguments {
    /// The configuration of poold serve [default: a built-in one, which `poold config default` prints]
    #[arg(long, value_name = "FILE", env = "POOLD_CONFIG")]
    config: Option<PathBuf>,
    /// The jobs, one JSON object a line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    jobs: PathBuf,
    /// How the provider behaves: a TOML file with options of the loopback driver [default: the configuration's, if its driver
    /// is the loopback; else instances boot in 60 s, and nothing goes wrong]
    #[arg(long, value_name = "FILE")]
    cloud: Option<PathBuf>,
    /// How long a job takes that does not say so itself
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = time)]
    takes: Duration,
    /// Everything that is left to chance comes from it: the same one gives the same answer [default: the provider's, or 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// It ends after so much simulated time at the latest
    #[arg(long, value_name = "TIME", default_value = "7days", value_parser = time)]
    until: Duration,
    /// Prints JSON, errors on standard error too
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time > MAX_TIME { Err("more than a year of 365 days".to_owned()) } else { Ok(time) }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum SimulateError {
    #[error(transparent)]
    Config(#[from] InputError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Jobs(#[from] JobListError),
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<SimulateError> for Failure {
    fn from(error: SimulateError) -> Self {
        let text = with_causes(&error);
        match error {
            SimulateError::Config(_) | SimulateError::Provider(_) | SimulateError::Jobs(_) => {
                Self::Input(text)
            }
            SimulateError::Run(_) => Self::Failed(text),
        }
    }
}

impl SimulateArguments {
    /// Simulates, and prints what came of it.
    pub(crate) fn run(self) -> ExitCode {
        let (json, console) = (self.json, Console::Process);
        let answer = match self.answer() {
            Ok(answer) => answer,
            Err(SimulateError::Run(RunError::Interrupted)) => {
                console.say("interrupted; nothing is left behind");
                return ExitCode::from(INTERRUPTED);
            }
            Err(error) => {
                let failure = Failure::from(error);
                console.report(&failure, json);
                return ExitCode::from(failure.exit_code());
            }
        };
        let printed = if json { console.print_json(&answer) } else { console.print(answer.text()) };
        if let Err(failure) = printed {
            console.report(&failure, json);
            return ExitCode::from(failure.exit_code());
        }
        ExitCode::from(if answer.complete { OK } else { FAILED })
    }

    fn answer(self) -> Result<Answer, SimulateError> {
        let config = config::load_settings(self.config.as_deref())?;
        let provider = Provider::choose(self.cloud.as_deref(), self.seed, &config)?;
        let jobs = JobList::read(&self.jobs, self.takes, &config)?;
        let (given, remarks) = (self.given(&config, &provider, &jobs), provider.remarks(&config));
        let setup = Setup { config, provider: provider.config, jobs: jobs.clone(), until: self.until };
        let outcome = interruptible(|interrupted| simulate(setup, &interrupted))?;
        Ok(Answer::of(given, remarks, &jobs, outcome))
    }

    fn given(&self, config: &ServeConfig, provider: &Provider, jobs: &JobList) -> Given {
        let built_in = || "the built-in configuration".to_owned();
        Given {
            config: self.config.as_ref().map_or_else(built_in, |path| path.display().to_string()),
            jobs: jobs.file.clone(),
            provider: provider.source.clone(),
            boot_time: provider.config.boot_time,
            has_faults: provider.config.faults != Faults::default(),
            max_instances: config.pool.max_instances,
            seed: provider.config.seed,
            until: self.until,
        }
    }
}

/// Does it on a thread of its own, and tells it when somebody interrupts this process. It leaves nothing behind then.
fn interruptible<T: Send>(
    work: impl FnOnce(Arc<AtomicBool>) -> Result<T, RunError> + Send,
) -> Result<T, RunError> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        // Signals are taken by a runtime.
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let (done, mut ended) = oneshot::channel::<()>();
    std::thread::scope(|scope| {
        let flag = Arc::clone(&interrupted);
        let thread =
            std::thread::Builder::new().name("simulation".to_owned()).spawn_scoped(scope, move || {
                let result = work(flag);
                // Who waits for it may be gone.
                drop(done);
                result
            });
        let thread = thread?;
        runtime.block_on(async {
            // Cancel safety: signals and the end lose nothing.
            tokio::select! {
                _ = interrupt.recv() => interrupted.store(true, Ordering::Relaxed),
                _ = terminate.recv() => interrupted.store(true, Ordering::Relaxed),
                _ = &mut ended => {}
            }
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
