//! `poold destroy-all`: empties the instance set.

use crate::{config, program_config::InputError, state_dir};
use pool_core::{BoxCloudError, DriverContext, Instance, InstanceSet, InstanceSetLock, Tags, driver};
use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};

/// For each call to the cloud.
const CALL_LIMIT: Duration = Duration::from_secs(15 * 60);
/// From one list to the next, while instances go.
const LIST_EVERY: Duration = Duration::from_secs(1);
/// An instance that is still listed this long after it was destroyed is destroyed again.
const DESTROY_AGAIN: Duration = Duration::from_secs(30);
/// All must be gone by then.
const TIME_LIMIT: Duration = Duration::from_secs(30 * 60);

/// What the command line says.
#[derive(Clone, Debug)]
pub(crate) struct DestroyOptions {
    pub(crate) config: Option<PathBuf>,
    pub(crate) state_dir: PathBuf,
    /// Do not ask.
    pub(crate) yes: bool,
    pub(crate) json: bool,
}

/// Why not all is destroyed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DestroyError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error("there is no terminal to ask on: say --yes to destroy without a question")]
    CannotAsk,
    #[error("nothing was destroyed")]
    Declined,
    #[error("the instances cannot be listed")]
    List(#[source] BoxCloudError),
    #[error("the cloud has not answered within {CALL_LIMIT:?}")]
    NoAnswer,
    #[error("{left} instances were not gone within {TIME_LIMIT:?}: run it again")]
    Left { left: usize },
}

/// Destroys every instance of the set, after a question, and waits until all are gone.
///
/// # Errors
/// [`DestroyError`].
pub(crate) async fn run(options: &DestroyOptions) -> Result<usize, DestroyError> {
    let config = config::load(options.config.as_deref())?;
    let chosen = driver(&config.driver.name).map_err(InputError::from)?;
    let state_dir = state_dir::open(&options.state_dir).map_err(InputError::from)?;
    let set = config.pool.instance_set.clone();
    // A running `poold serve` would only make new ones.
    let _lock = InstanceSetLock::acquire(&state_dir, &set).map_err(InputError::from)?;
    let context = DriverContext { instance_set: set.clone(), state_dir: state_dir.join(chosen.name()) };
    let cloud =
        chosen.open(config.driver.options.clone(), context).await.map_err(InputError::DriverOptions)?;
    let ours = config.pool.instance_tags();
    let instances = list(&*cloud, &ours).await?;
    if instances.is_empty() {
        cloud.stop().await;
        return Ok(0);
    }
    if !options.yes {
        ask(&instances, set.as_str())?;
    }
    let destroyed = instances.len();
    let result = destroy(&*cloud, &ours, instances, options.json).await;
    cloud.stop().await;
    result.map(|()| destroyed)
}

async fn list(cloud: &dyn InstanceSet, ours: &Tags) -> Result<Vec<Arc<dyn Instance>>, DestroyError> {
    let listed = timeout(CALL_LIMIT, cloud.instances(ours)).await.map_err(|_| DestroyError::NoAnswer)?;
    listed.map_err(DestroyError::List)
}

fn ask(instances: &[Arc<dyn Instance>], set: &str) -> Result<(), DestroyError> {
    if !std::io::stdin().is_terminal() {
        return Err(DestroyError::CannotAsk);
    }
    for instance in instances {
        eprintln!("  {}  {}", instance.id(), instance.provider_type());
    }
    eprint!(
        "Destroy these {} instances of instance set {set}, with all that runs on them? [y/N] ",
        instances.len()
    );
    // A prompt that cannot be written is answered with no.
    drop(std::io::stderr().flush());
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(DestroyError::Declined)
    }
}

async fn destroy(
    cloud: &dyn InstanceSet,
    ours: &Tags,
    mut instances: Vec<Arc<dyn Instance>>,
    quiet: bool,
) -> Result<(), DestroyError> {
    let began = Instant::now();
    let mut asked: std::collections::BTreeMap<_, Instant> = std::collections::BTreeMap::new();
    while !instances.is_empty() {
        if began.elapsed() > TIME_LIMIT {
            return Err(DestroyError::Left { left: instances.len() });
        }
        for instance in &instances {
            let id = instance.id().clone();
            if asked.get(&id).is_some_and(|at| at.elapsed() < DESTROY_AGAIN) {
                continue;
            }
            match timeout(CALL_LIMIT, instance.destroy()).await {
                Ok(Ok(())) => {
                    if !quiet {
                        eprintln!("destroyed {id}");
                    }
                }
                Ok(Err(error)) => eprintln!("poold: {id} cannot be destroyed yet: {error}"),
                Err(_) => eprintln!("poold: {id}: the cloud does not answer"),
            }
            asked.insert(id, Instant::now());
        }
        // Gone is only what a list no longer has.
        sleep(LIST_EVERY).await;
        match list(cloud, ours).await {
            Ok(listed) => instances = listed,
            Err(error @ DestroyError::NoAnswer) => return Err(error),
            Err(error) => eprintln!("poold: {error}: trying again"),
        }
    }
    Ok(())
}
