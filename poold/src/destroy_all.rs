//! `poold destroy-all`: empties the instance set.

use crate::{
    config,
    drivers::driver,
    program_config::InputError,
    queue::{Queue as _, QueueError, SqliteQueue},
    say::say,
    serve::{cloud_of, queue_path},
    state_dir,
};
use pool_core::{
    BoxCloudError, DriverContext, Instance, InstanceId, InstanceSet, InstanceSetId, InstanceSetLock, Tags,
};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
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
    #[error(
        "the state directory is of {bound}, and the configuration of {cloud}: nothing was destroyed. Name the configuration \
         that it was served with (--config FILE), or another state directory"
    )]
    OtherCloud { bound: String, cloud: String },
    #[error("the queue, which says whose instances these are, cannot be read")]
    Queue(#[from] QueueError),
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

/// Destroys every instance of the set, after a question, and waits until all are gone. Returns how many there were.
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
    check_cloud(&state_dir, cloud_of(&config))?;
    let context = DriverContext { instance_set: set.clone(), state_dir: state_dir.join(chosen.name()) };
    let cloud =
        chosen.open(config.driver.options.clone(), context).await.map_err(InputError::DriverOptions)?;
    let ours = config.pool.instance_tags();
    // The lock is ours: from here on nobody makes new ones.
    let settled = Instant::now() + cloud.capabilities().list_settle_time.min(TIME_LIMIT);
    let emptying = Emptying { cloud: &*cloud, ours: &ours, quiet: options.json, settled };
    let result = emptying.ask_and_destroy(&set, options.yes).await;
    cloud.stop().await;
    result
}

/// Who forgets to name the configuration must not be told that there was no instance.
fn check_cloud(state_dir: &Path, cloud: String) -> Result<(), DestroyError> {
    let path = queue_path(state_dir);
    if !path.exists() {
        return Ok(());
    }
    match SqliteQueue::open(&path)?.cloud()? {
        Some(bound) if bound != cloud => Err(DestroyError::OtherCloud { bound, cloud }),
        _ => Ok(()),
    }
}

/// An instance set that is being emptied.
struct Emptying<'a> {
    cloud: &'a dyn InstanceSet,
    ours: &'a Tags,
    quiet: bool,
    /// A list that begins from then on shows every instance: one that was made just before may be missing till then.
    settled: Instant,
}

struct Listed {
    instances: Vec<Arc<dyn Instance>>,
    began: Instant,
}

fn ask(instances: &[Arc<dyn Instance>], set: &str) -> Result<(), DestroyError> {
    if !std::io::stdin().is_terminal() {
        return Err(DestroyError::CannotAsk);
    }
    for instance in instances {
        say(format!("  {}  {}", instance.id(), instance.provider_type()));
    }
    let count = instances.len();
    let mut stderr = std::io::stderr();
    let asked = write!(
        stderr,
        "Destroy these {count} instances of instance set {set}, with all that runs on them? [y/N] "
    );
    if asked.and_then(|()| stderr.flush()).is_err() {
        return Err(DestroyError::Declined);
    }
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(DestroyError::Declined)
    }
}

impl Emptying<'_> {
    /// How many were destroyed.
    async fn ask_and_destroy(&self, set: &InstanceSetId, yes: bool) -> Result<usize, DestroyError> {
        let mut listed = self.list().await?;
        if listed.instances.is_empty() && listed.began < self.settled {
            self.until_settled().await;
            listed = self.list().await?;
        }
        if !listed.instances.is_empty() && !yes {
            ask(&listed.instances, set.as_str())?;
        }
        self.destroy(listed).await
    }

    async fn list(&self) -> Result<Listed, DestroyError> {
        let began = Instant::now();
        let listed = timeout(CALL_LIMIT, self.cloud.instances(self.ours)).await;
        let instances = listed.map_err(|_| DestroyError::NoAnswer)?.map_err(DestroyError::List)?;
        Ok(Listed { instances, began })
    }

    async fn until_settled(&self) {
        let left = self.settled.saturating_duration_since(Instant::now());
        if !self.quiet && left > LIST_EVERY {
            let seconds = left.as_secs();
            say(format!(
                "no instance is listed; one made just now may not be yet: looking again in {seconds} s"
            ));
        }
        sleep(left).await;
    }

    async fn destroy(&self, mut listed: Listed) -> Result<usize, DestroyError> {
        let began = Instant::now();
        let mut asked: BTreeMap<InstanceId, Instant> = BTreeMap::new();
        // Gone is only what a list no longer has.
        while !listed.instances.is_empty() || listed.began < self.settled {
            if began.elapsed() > TIME_LIMIT {
                return Err(DestroyError::Left { left: listed.instances.len() });
            }
            for instance in &listed.instances {
                let id = instance.id();
                if asked.get(id).is_some_and(|at| at.elapsed() < DESTROY_AGAIN) {
                    continue;
                }
                match timeout(CALL_LIMIT, instance.destroy()).await {
                    Ok(Ok(())) if self.quiet => {}
                    Ok(Ok(())) => say(format!("destroyed {id}")),
                    Ok(Err(error)) => say(format!("poold: {id} cannot be destroyed yet: {error}")),
                    Err(_) => say(format!("poold: {id}: the cloud does not answer")),
                }
                asked.insert(id.clone(), Instant::now());
            }
            if listed.instances.is_empty() {
                self.until_settled().await;
            }
            sleep(LIST_EVERY).await;
            match self.list().await {
                Ok(now) => listed = now,
                Err(error @ DestroyError::NoAnswer) => return Err(error),
                Err(error) => say(format!("poold: {error}: trying again")),
            }
        }
        Ok(asked.len())
    }
}

#[cfg(all(test, feature = "loopback", feature = "ssh"))]
mod tests {
    use super::*;
    use pool_core::{CreateRequest, IdempotencyToken, InitCommand, InstanceType, Placement, PrivateKey};

    #[tokio::test]
    async fn an_instance_that_is_not_listed_yet_is_destroyed_too() {
        let dir = tempfile::tempdir().unwrap();
        let late = serde_json::json!({ "list_settle_time": "2s", "faults": { "stale_list": "2s" } });
        let set: InstanceSetId = "test".parse().unwrap();
        let context = DriverContext { instance_set: set.clone(), state_dir: dir.path().to_owned() };
        let cloud = driver("loopback").unwrap().open(late, context).await.unwrap();
        let instance_type: InstanceType = serde_json::from_value(serde_json::json!({
            "name": "small", "provider_type": "small", "vcpus": 2, "memory": "2 GiB", "price": 0.01,
        }))
        .unwrap();
        let ours: Tags = [("set", "test")].into_iter().collect();
        let request = CreateRequest {
            instance_type: Arc::new(instance_type),
            image: None,
            placement: Placement::unnamed(),
            tags: ours.clone(),
            init_command: InitCommand::new(String::new()),
            public_key: PrivateKey::generate().public_key(),
            token: IdempotencyToken::from_bits(1),
        };
        cloud.create(request).await.unwrap();
        assert!(cloud.instances(&ours).await.unwrap().is_empty(), "it is not listed yet");
        let settled = Instant::now() + cloud.capabilities().list_settle_time;
        let emptying = Emptying { cloud: &*cloud, ours: &ours, quiet: true, settled };
        assert_eq!(emptying.ask_and_destroy(&set, true).await.unwrap(), 1);
        assert!(cloud.instances(&ours).await.unwrap().is_empty());
        cloud.stop().await;
    }
}
