//! `poold demo --restart`: the dispatcher is killed half-way, and nothing is lost.

use super::{progress::Progress, queue::Counts, run::DemoEnd};
use crate::{
    api::{InstanceRow, JobQuery, JobRow},
    client::{Client, ClientError, Target},
    job::{JobRequest, JobState, OutputKept},
    program_config::InputError,
    state_dir,
};
use pool_core::{Cpus, InstanceId, JobId};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

const CONFIG: &str = include_str!("restart.toml");
const JOBS: usize = 32;
/// Holds a place of its own while it runs, and complains if another has it: so two at once would be seen.
const SCRIPT: &str = "\
mkdir \"$BOOK/$NUMBER\" || echo \"$NUMBER\" >>\"$BOOK/twice\"
echo \"begin $NUMBER\"; echo \"$NUMBER\" >>\"$BOOK/begun\"
sleep \"$NAP\"
echo \"end $NUMBER\"; rmdir \"$BOOK/$NUMBER\"";
/// From one look at the other process to the next: nothing announces what it does.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The end of each step, whatever happens.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Why it could not be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestartError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error("poold serve cannot be started")]
    Spawn(#[source] io::Error),
    #[error("poold serve has ended by itself: see {log}")]
    Ended { log: PathBuf },
    #[error("poold serve cannot be asked")]
    Client(#[from] ClientError),
    #[error("not within {TIME_LIMIT:?}: {what}; see {log}")]
    TooLong { what: &'static str, log: PathBuf },
    #[error("the demo's jobs cannot be written down")]
    Jobs(#[from] serde_json::Error),
}

/// What came of it, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Summary {
    as_expected: bool,
    jobs: usize,
    /// When the program was killed.
    ended: usize,
    running: usize,
    waiting: usize,
    /// Of those that ran: still on the worker that they were on, in the run that they were in.
    taken_up: usize,
    complete: usize,
    /// Jobs that were begun more than once.
    begun_again: usize,
    /// Jobs that ran twice at the same time.
    ran_twice_at_once: usize,
    outputs_whole: usize,
    instances_kept: usize,
    instances_left: usize,
    seconds_without: f64,
    seconds: f64,
    state_dir: PathBuf,
}

/// Kills and restarts a `poold serve`, and prints what came of it.
///
/// # Errors
/// [`RestartError`].
pub(crate) async fn run(state_dir: Option<&Path>, json: bool) -> Result<DemoEnd, RestartError> {
    let (dir, kept) = match state_dir {
        Some(path) => (state_dir::open(path).map_err(InputError::from)?, true),
        None => {
            let parent = std::env::temp_dir();
            let new = tempfile::Builder::new().prefix("poold-demo-").tempdir_in(&parent);
            let new = new.map_err(InputError::file(&parent))?.keep();
            (state_dir::open(&new).map_err(InputError::from)?, false)
        }
    };
    let mut show = Show::new(dir.clone())?;
    // Cancel safety: what a dropped show has made is destroyed by `clean_up`.
    let shown = tokio::select! {
        shown = show.run() => Some(shown),
        _ = tokio::signal::ctrl_c() => None,
    };
    let left = show.clean_up().await;
    show.progress.finish();
    let Some(shown) = shown else { return Ok(DemoEnd { as_expected: false, interrupted: true }) };
    let mut summary = shown?;
    summary.instances_left = left?;
    summary.as_expected &= summary.instances_left == 0;
    summary.seconds = show.began.elapsed().as_secs_f64();
    if !kept && summary.as_expected {
        fs::remove_dir_all(&dir).map_err(InputError::file(&dir))?;
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        print!("{}", summary.text());
    }
    Ok(DemoEnd { as_expected: summary.as_expected, interrupted: false })
}

/// A running demonstration.
struct Show {
    dir: PathBuf,
    log: PathBuf,
    book: PathBuf,
    client: Client,
    serving: Option<Child>,
    progress: Progress,
    began: Instant,
}

impl Show {
    fn new(dir: PathBuf) -> Result<Self, InputError> {
        let (log, book) = (dir.join("serve.log"), dir.join("book"));
        // Of an earlier demonstration in the same directory.
        if book.exists() {
            fs::remove_dir_all(&book).map_err(InputError::file(&book))?;
        }
        fs::create_dir(&book).map_err(InputError::file(&book))?;
        let config = dir.join("restart.toml");
        fs::write(&config, CONFIG).map_err(InputError::file(&config))?;
        let client = Client::new(Target::Socket(dir.clone()));
        let progress = Progress::new(JOBS);
        Ok(Self { dir, log, book, client, serving: None, progress, began: Instant::now() })
    }

    fn say(&self, line: &str) {
        self.progress.say(self.began.elapsed(), line);
    }

    async fn run(&mut self) -> Result<Summary, RestartError> {
        let first = self.serve().await?;
        self.say(&format!("poold serve runs as process {first}"));
        let ids = self.submit().await?;
        self.say(&format!("{JOBS} jobs are queued"));
        let before = self.until("half of the jobs end", &ids, |jobs| ended(jobs) >= JOBS / 2).await?;
        let instances = instance_ids(&self.client.instances().await?);
        let killed = Instant::now();
        if let Some(mut child) = self.serving.take() {
            child.kill().await.map_err(RestartError::Spawn)?;
        }
        let (ended, running) = (ended(&before), running(&before));
        let waiting = JOBS - ended - running.len();
        self.say(&format!(
            "process {first} was killed with SIGKILL: {ended} jobs had ended, {} ran, {waiting} waited",
            running.len()
        ));
        let second = self.serve().await?;
        let seconds_without = killed.elapsed().as_secs_f64();
        self.say(&format!("poold serve runs again, as process {second}"));
        let instances_kept = instance_ids(&self.client.instances().await?).intersection(&instances).count();
        let after = self.until("all jobs end", &ids, |jobs| self::ended(jobs) == JOBS).await?;
        self.say("all jobs have ended");
        let before = Before { ended, running, waiting, instances_kept, seconds_without };
        Ok(self.summary(&before, &after))
    }

    /// Starts the program and waits until it answers. Returns its process.
    async fn serve(&mut self) -> Result<u32, RestartError> {
        let log = fs::File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(InputError::file(&self.log))?;
        let program = std::env::current_exe().map_err(RestartError::Spawn)?;
        let child = Command::new(program)
            .args(["serve", "--log", "warn", "--config"])
            .arg(self.dir.join("restart.toml"))
            .arg("--state-dir")
            .arg(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C is for the demonstration, which ends what it has started.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(RestartError::Spawn)?;
        self.serving = Some(child);
        let deadline = Instant::now() + TIME_LIMIT;
        loop {
            if let Ok(status) = self.client.status().await {
                return Ok(status.pid);
            }
            self.check(deadline, "poold serve answers")?;
            sleep(LOOK_EVERY).await;
        }
    }

    fn check(&mut self, deadline: Instant, what: &'static str) -> Result<(), RestartError> {
        if let Some(child) = &mut self.serving
            && let Ok(Some(_)) = child.try_wait()
        {
            return Err(RestartError::Ended { log: self.log.clone() });
        }
        if Instant::now() > deadline {
            return Err(RestartError::TooLong { what, log: self.log.clone() });
        }
        Ok(())
    }

    async fn submit(&self) -> Result<BTreeSet<JobId>, RestartError> {
        let jobs = (0..JOBS).map(|number| {
            let mut job = JobRequest::new(["sh", "-c", SCRIPT]);
            job.name = Some(format!("nap-{number:02}"));
            job.cpus = Cpus::whole(1);
            job.environment.insert("BOOK".to_owned(), self.book.display().to_string());
            job.environment.insert("NUMBER".to_owned(), number.to_string());
            // From half a second to two seconds.
            let millis = 500 + number * 7 % 16 * 100;
            job.environment.insert("NAP".to_owned(), format!("{}.{:03}", millis / 1000, millis % 1000));
            RawValue::from_string(serde_json::to_string(&job)?)
        });
        let jobs: Vec<Box<RawValue>> = jobs.collect::<Result<_, _>>()?;
        let request = format!("demo-{:016x}", rand::random::<u64>());
        Ok(self.client.submit(&request, &jobs).await?.ids.into_iter().collect())
    }

    async fn jobs(&self, ids: &BTreeSet<JobId>) -> Result<Vec<JobRow>, RestartError> {
        let query = JobQuery { limit: Some(1000), ..JobQuery::default() };
        let mut jobs = self.client.jobs(&query).await?.jobs;
        jobs.retain(|job| ids.contains(&job.id));
        Ok(jobs)
    }

    async fn until(
        &mut self,
        what: &'static str,
        ids: &BTreeSet<JobId>,
        enough: impl Fn(&[JobRow]) -> bool,
    ) -> Result<Vec<JobRow>, RestartError> {
        let deadline = Instant::now() + TIME_LIMIT;
        loop {
            let jobs = self.jobs(ids).await?;
            let (done, running) = (ended(&jobs), running(&jobs).len());
            self.progress.update(Counts { queued: JOBS - done - running, running, done }, "");
            if enough(&jobs) {
                return Ok(jobs);
            }
            self.check(deadline, what)?;
            sleep(LOOK_EVERY).await;
        }
    }

    /// Destroys the instances and ends the program. Returns how many instances are left.
    async fn clean_up(&mut self) -> Result<usize, RestartError> {
        if self.serving.is_none() {
            // Interrupted between the kill and the start: what runs is found by another.
            self.serve().await?;
        }
        let deadline = Instant::now() + TIME_LIMIT;
        let left = loop {
            let instances = self.client.instances().await?;
            if instances.is_empty() || Instant::now() > deadline {
                break instances.len();
            }
            for id in instances.iter().filter_map(|instance| instance.id.as_ref()) {
                // An error means that it has just gone.
                drop(self.client.act_on_instance(id, "kill", Some("the demo is over".to_owned())).await);
            }
            sleep(LOOK_EVERY).await;
        };
        if let Some(mut child) = self.serving.take() {
            if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
                kill_process(pid, Signal::TERM).map_err(|error| RestartError::Spawn(error.into()))?;
            }
            child.wait().await.map_err(RestartError::Spawn)?;
        }
        Ok(left)
    }

    fn summary(&self, before: &Before, after: &[JobRow]) -> Summary {
        let same_run = |job: &&JobRow| before.running.get(&job.id).is_some_and(|was| *was == place(job));
        let mut begun: BTreeMap<String, usize> = BTreeMap::new();
        for line in fs::read_to_string(self.book.join("begun")).unwrap_or_default().lines() {
            *begun.entry(line.to_owned()).or_default() += 1;
        }
        let twice = fs::read_to_string(self.book.join("twice")).unwrap_or_default().lines().count();
        let complete = after.iter().filter(|job| job.exit_code == Some(0)).count();
        // "begin N" and "end N", a line each.
        let whole = |job: &&JobRow| {
            let digits = job.name.as_deref().and_then(|name| name.strip_prefix("nap-")?.parse::<u64>().ok());
            let digits = digits.map_or(0, |number| number.to_string().len() as u64);
            job.output == OutputKept::Complete && job.stdout_size == 12 + 2 * digits
        };
        let mut summary = Summary {
            as_expected: false,
            jobs: JOBS,
            ended: before.ended,
            running: before.running.len(),
            waiting: before.waiting,
            taken_up: after.iter().filter(same_run).count(),
            complete,
            begun_again: begun.values().filter(|count| **count > 1).count(),
            ran_twice_at_once: twice,
            outputs_whole: after.iter().filter(whole).count(),
            instances_kept: before.instances_kept,
            instances_left: 0,
            seconds_without: before.seconds_without,
            seconds: 0.0,
            state_dir: self.dir.clone(),
        };
        summary.as_expected = complete == JOBS
            && begun.len() == JOBS
            && summary.begun_again == 0
            && twice == 0
            && summary.outputs_whole == JOBS
            && summary.taken_up == summary.running;
        summary
    }
}

/// How it stood when the program was killed.
struct Before {
    ended: usize,
    running: BTreeMap<JobId, (Option<InstanceId>, u32)>,
    waiting: usize,
    instances_kept: usize,
    seconds_without: f64,
}

fn ended(jobs: &[JobRow]) -> usize {
    jobs.iter().filter(|job| job.state.is_final()).count()
}

fn place(job: &JobRow) -> (Option<InstanceId>, u32) {
    (job.instance.clone(), job.runs)
}

fn running(jobs: &[JobRow]) -> BTreeMap<JobId, (Option<InstanceId>, u32)> {
    let running = jobs.iter().filter(|job| job.state == JobState::Running);
    running.map(|job| (job.id.clone(), place(job))).collect()
}

fn instance_ids(rows: &[InstanceRow]) -> BTreeSet<InstanceId> {
    rows.iter().filter_map(|row| row.id.clone()).collect()
}

impl Summary {
    fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            text.push_str(&format!("{name:<22} {value}\n"));
        };
        line("jobs", format!("{} in {:.1} s", self.jobs, self.seconds));
        line(
            "at the kill",
            format!("{} had ended, {} ran, {} waited", self.ended, self.running, self.waiting),
        );
        line("without a dispatcher", format!("{:.2} s", self.seconds_without));
        line(
            "after it",
            format!(
                "{} of {} running jobs were taken up where they were; {} instances were kept",
                self.taken_up, self.running, self.instances_kept
            ),
        );
        line(
            "in the end",
            format!(
                "{} complete, {} begun a second time, {} ran twice at once, {} outputs whole",
                self.complete, self.begun_again, self.ran_twice_at_once, self.outputs_whole
            ),
        );
        line("left", format!("{} instances", self.instances_left));
        if self.as_expected {
            line("verdict", "nothing was lost".to_owned());
        } else {
            line("verdict", format!("not as it should be: see {}", self.state_dir.display()));
        }
        text
    }
}
