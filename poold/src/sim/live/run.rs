//! One life of the program in real time, until it is told to stop.

use super::{
    crowd::{self, Unfinished},
    setup,
};
use crate::{
    api::{Service, ServiceError},
    dispatcher::PassReport,
    http,
    queue::Change,
    say::{say, with_causes},
    serve::told_to_stop,
    simulation::{Program, ProgramPlan, begin_life, memory_directory},
    state_dir,
};
use driver_loopback::sim::SimCloud;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{runtime::Runtime, sync::watch};

/// What is served.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::sim) struct LiveOptions {
    /// How many instances there may be; most of them are there after a minute
    #[arg(long, default_value_t = 100)]
    workers: u32,
    /// How many jobs are unfinished at most: more are submitted as they end
    #[arg(long, default_value_t = 300)]
    jobs: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the queue, the outputs and the socket are. Left out: in memory, and deleted at the end
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// The files cannot be used, or the program has ended by itself.
pub(in crate::sim) fn serve(options: &LiveOptions) -> io::Result<()> {
    // Deleted when it is dropped.
    let passing;
    let dir = match &options.state_dir {
        Some(dir) => state_dir::open(dir).map_err(|error| failed(&error))?,
        None => {
            passing = memory_directory("poold-live-")?;
            passing.path().to_owned()
        }
    };
    Runtime::new()?.block_on(live(options, &dir))
}

fn failed(error: &dyn std::error::Error) -> io::Error {
    io::Error::other(with_causes(error))
}

async fn live(options: &LiveOptions, dir: &Path) -> io::Result<()> {
    let LiveOptions { workers, jobs, seed, .. } = *options;
    let told_to_stop = told_to_stop();
    let listener = http::listen(dir).map_err(|error| failed(&error))?;
    let cloud = SimCloud::new(setup::cloud(seed, workers), setup::options(seed));
    begin_life(&cloud);
    let unfinished = Unfinished::default();
    let counted = unfinished.clone();
    let plan = ProgramPlan {
        number: 0,
        life: 1,
        seed,
        dir: dir.to_owned(),
        config: setup::config(workers),
        ahead: 0,
    };
    let mut program = Program::start(plan, &cloud, move |report: &PassReport<'_>| count(&counted, report))?;
    let handle = program.handle.clone();
    let status = handle.status().await.map_err(|error| failed(&error))?;
    unfinished.add(status.jobs.iter().filter(|(state, _)| !state.is_final()).map(|(_, count)| count).sum());
    let service: Arc<dyn Service> = Arc::new(handle.clone());
    let (stop, mut stopping) = watch::channel(false);
    let stopped = async move { drop(stopping.wait_for(|stop| *stop).await) };
    let server = tokio::spawn(http::serve(service, listener, stopped));
    say(format!(
        "poold-sim: {workers} workers and {jobs} jobs, in {}: poold status --state-dir {}",
        dir.display(),
        dir.display()
    ));
    // Cancel safety: nothing goes on after this but what is stopped below.
    let ended: Result<(), ServiceError> = tokio::select! {
        () = told_to_stop => Ok(()),
        why = program.ended() => return Err(io::Error::other(why)),
        ended = crowd::submit(handle.clone(), unfinished, jobs, seed) => ended,
        ended = crowd::operate(handle, seed) => ended,
    };
    stop.send_replace(true);
    program.stop().await;
    server.await??;
    ended.map_err(|error| failed(&error))
}

fn count(unfinished: &Unfinished, report: &PassReport<'_>) {
    for change in report.changes {
        match change {
            Change::Submit { jobs, .. } => unfinished.add(jobs.len() as u64),
            Change::Update { record, .. } if record.state.is_final() => unfinished.sub(1),
            _ => {}
        }
    }
}
