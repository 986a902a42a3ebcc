//! What one trial works with: its own instance set, and the calls of the contract with a limit on each.

use crate::{
    Call, Created, Fault, Fixtures, Harness, Opened,
    secrets::Secrets,
    stop::{Stop, chain, ensure},
};
use pool_api::{
    BoxCloudError, CreateRequest, IdempotencyToken, InitCommand, Instance, InstanceId, InstanceSet,
    InstanceSetId, InstanceType, Tags,
};
use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// The tag that says whose an instance is. The pool's own name for it.
pub(crate) const SET_TAG: &str = "InstanceSetID";
/// From one list to the next while something is waited for that only a list shows.
const LIST_PAUSE: Duration = Duration::from_millis(50);

/// What one trial works with.
pub(crate) struct Bench {
    harness: Arc<dyn Harness>,
    secrets: Arc<Secrets>,
    pub(crate) fixtures: Fixtures,
    set: InstanceSetId,
    /// The sets that are open, with their ids.
    open: Mutex<Vec<(InstanceSetId, Arc<dyn InstanceSet>)>>,
    /// All ids that were ever opened.
    ids: Mutex<Vec<InstanceSetId>>,
    steps: Mutex<Vec<(String, Duration)>>,
}

/// An open instance set.
pub(crate) struct Session {
    bench: Arc<Bench>,
    pub(crate) set: Arc<dyn InstanceSet>,
    pub(crate) id: InstanceSetId,
    opened: Opened,
}

impl Bench {
    pub(crate) fn new(
        harness: Arc<dyn Harness>,
        secrets: Arc<Secrets>,
        fixtures: Fixtures,
        set: InstanceSetId,
    ) -> Arc<Self> {
        Arc::new(Self {
            harness,
            secrets,
            fixtures,
            set,
            open: Mutex::default(),
            ids: Mutex::default(),
            steps: Mutex::default(),
        })
    }

    pub(crate) fn harness(&self) -> &dyn Harness {
        &*self.harness
    }

    /// Opens the trial's set, with nothing that goes wrong.
    pub(crate) async fn open(self: &Arc<Self>) -> Result<Session, Stop> {
        self.open_set(&self.set.clone(), &[]).await
    }

    /// Opens the trial's set as another process would, with faults.
    pub(crate) async fn open_with(self: &Arc<Self>, faults: &[Fault]) -> Result<Session, Stop> {
        self.open_set(&self.set.clone(), faults).await
    }

    /// Opens a second set in the same account.
    pub(crate) async fn open_other(self: &Arc<Self>) -> Result<Session, Stop> {
        let other = InstanceSetId::new(format!("{}-other", self.set))?;
        self.open_set(&other, &[]).await
    }

    async fn open_set(self: &Arc<Self>, id: &InstanceSetId, faults: &[Fault]) -> Result<Session, Stop> {
        self.stop_set(id).await?;
        lock(&self.ids).push(id.clone());
        let opened = self.harness.open(id, faults).await?;
        lock(&self.open).push((id.clone(), Arc::clone(&opened.set)));
        Ok(Session { bench: Arc::clone(self), set: Arc::clone(&opened.set), id: id.clone(), opened })
    }

    /// Stops a session's set, and drops all that there is of it.
    pub(crate) async fn close(&self, session: Session, instance: Arc<dyn Instance>) -> Result<(), Stop> {
        let id = session.id.clone();
        drop((session, instance));
        self.stop_set(&id).await
    }

    /// Stops a set if it is open.
    async fn stop_set(&self, id: &InstanceSetId) -> Result<(), Stop> {
        let found = {
            let mut open = lock(&self.open);
            open.iter().position(|(own, _)| own == id).map(|at| open.swap_remove(at).1)
        };
        let Some(set) = found else { return Ok(()) };
        let limit = self.fixtures.call_limit;
        timeout(limit, set.stop())
            .await
            .map_err(|_| Stop::Failed(format!("stop did not end within {limit:?}")))
    }

    /// A request for the plain type in the first placement, with a token, a secret and tags of its own.
    pub(crate) fn request(&self, session: &Session) -> CreateRequest {
        self.request_of(session, &self.fixtures.instance_type)
    }

    pub(crate) fn request_of(&self, session: &Session, instance_type: &InstanceType) -> CreateRequest {
        let secret = self.secret();
        CreateRequest {
            instance_type: Arc::new(instance_type.clone()),
            image: self.fixtures.image.clone(),
            placement: session.set.placements().into_iter().next().unwrap_or_default(),
            tags: session.tags(),
            init_command: InitCommand::new(format!("umask 077\nsecret={secret}\n")),
            public_key: self.fixtures.public_key.clone(),
            token: IdempotencyToken::from_bits(rand::random()),
        }
    }

    /// A new secret, which is looked for in logs and errors from now on.
    pub(crate) fn secret(&self) -> String {
        let secret = format!("{:032x}", rand::random::<u128>());
        self.secrets.add(&secret);
        secret
    }

    /// Looks for secrets in all that an error says.
    pub(crate) fn witness(&self, error: &BoxCloudError) {
        self.secrets.search("an error", &format!("{} {error:?}", chain(error)));
    }

    /// The same for what a value shows of itself.
    pub(crate) fn witness_debug(&self, what: &str, value: &dyn std::fmt::Debug) {
        self.secrets.search(&format!("the Debug of {what}"), &format!("{value:?}"));
    }

    /// Measures a step of the trial, for the report.
    pub(crate) async fn step<T>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, Stop>>,
    ) -> Result<T, Stop> {
        let began = Instant::now();
        let result = work.await;
        lock(&self.steps).push((name.to_owned(), began.elapsed()));
        result.map_err(|stop| match stop {
            Stop::Failed(why) => Stop::Failed(format!("{name}: {why}")),
            Stop::Excluded(why) => Stop::Excluded(why),
        })
    }

    /// What was measured, in order.
    pub(crate) fn steps(&self) -> Vec<(String, Duration)> {
        lock(&self.steps).clone()
    }

    /// All set ids that the trial has used.
    pub(crate) fn ids(&self) -> Vec<InstanceSetId> {
        let mut ids = lock(&self.ids).clone();
        ids.sort();
        ids.dedup();
        ids
    }

    /// Destroys what the trial has left, and stops its sets.
    pub(crate) async fn clean_up(self: &Arc<Self>) -> Result<(), Stop> {
        let mut first_failure = Ok(());
        for id in self.ids() {
            let cleaned = async {
                let session = self.open_set(&id, &[]).await?;
                // What was created a moment ago may not be listed yet.
                sleep(session.set.capabilities().list_settle_time).await;
                session.destroy_all().await?;
                session.call("sweep", session.set.sweep()).await??;
                self.stop_set(&id).await
            };
            let cleaned: Result<(), Stop> = cleaned.await;
            if first_failure.is_ok() {
                first_failure = cleaned;
            }
        }
        first_failure
    }
}

impl Session {
    /// The tags that every instance of this session carries, and that its lists ask for.
    pub(crate) fn tags(&self) -> Tags {
        [(SET_TAG, self.id.as_str())].into_iter().collect()
    }

    /// A call of the driver, which must end within the limit whatever happens.
    pub(crate) async fn call<T>(&self, what: &str, call: impl Future<Output = T>) -> Result<T, Stop> {
        let limit = self.bench.fixtures.call_limit;
        timeout(limit, call).await.map_err(|_| Stop::Failed(format!("{what} did not end within {limit:?}")))
    }

    /// A call that the provider or a fault may refuse.
    pub(crate) async fn attempt<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, BoxCloudError>>,
    ) -> Result<Result<T, BoxCloudError>, Stop> {
        let result = self.call(what, call).await?;
        if let Err(error) = &result {
            self.bench.witness(error);
        }
        Ok(result)
    }

    /// A call that must succeed.
    pub(crate) async fn succeed<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, BoxCloudError>>,
    ) -> Result<T, Stop> {
        self.attempt(what, call)
            .await?
            .map_err(|error| Stop::Failed(format!("{what} failed: {}", chain(&error))))
    }

    /// A call that must fail.
    pub(crate) async fn fail<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, BoxCloudError>>,
    ) -> Result<BoxCloudError, Stop> {
        match self.attempt(what, call).await? {
            Err(error) => Ok(error),
            Ok(_) => Err(Stop::Failed(format!("{what} has succeeded where it must fail"))),
        }
    }

    pub(crate) async fn create(&self, request: CreateRequest) -> Result<Arc<dyn Instance>, Stop> {
        self.succeed("create", self.set.create(request)).await
    }

    /// The instances of this session.
    pub(crate) async fn list(&self) -> Result<Vec<Arc<dyn Instance>>, Stop> {
        self.succeed("list", self.set.instances(&self.tags())).await
    }

    /// An instance as it is listed, when it is as it should be: at the latest in the first list that begins after the settle
    /// time and `more`.
    pub(crate) async fn until(
        &self,
        id: &InstanceId,
        more: Duration,
        what: &str,
        is_so: impl Fn(&dyn Instance) -> bool + Send,
    ) -> Result<Arc<dyn Instance>, Stop> {
        let limit = self.set.capabilities().list_settle_time + more;
        let deadline = Instant::now() + limit;
        loop {
            let late = Instant::now() > deadline;
            let found = self.list().await?.into_iter().find(|instance| instance.id() == id);
            if let Some(instance) = &found
                && is_so(&**instance)
            {
                return Ok(Arc::clone(instance));
            }
            let shown = found
                .map_or("not listed".to_owned(), |instance| format!("listed as {}", instance.lifecycle()));
            ensure!(!late, "instance {id} is not {what} within {limit:?}, but {shown}");
            sleep(LIST_PAUSE).await;
        }
    }

    /// An instance when it is listed.
    pub(crate) async fn listed(&self, id: &InstanceId) -> Result<Arc<dyn Instance>, Stop> {
        self.until(id, Duration::ZERO, "listed", |_| true).await
    }

    /// Waits until so many instances are listed, neither more nor fewer, and stay so for the settle time.
    pub(crate) async fn exactly(&self, count: usize) -> Result<Vec<Arc<dyn Instance>>, Stop> {
        let settle = self.set.capabilities().list_settle_time;
        sleep(settle).await;
        let listed = self.list().await?;
        ensure!(listed.len() == count, "{} instances are listed, not {count}", listed.len());
        Ok(listed)
    }

    /// Waits until nothing is listed any more.
    pub(crate) async fn until_empty(&self) -> Result<(), Stop> {
        let limit = self.set.capabilities().list_settle_time + self.bench.fixtures.change_limit;
        let deadline = Instant::now() + limit;
        loop {
            let late = Instant::now() > deadline;
            let listed = self.list().await?;
            if listed.is_empty() {
                return Ok(());
            }
            ensure!(!late, "{} destroyed instances are still listed after {limit:?}", listed.len());
            sleep(LIST_PAUSE).await;
        }
    }

    pub(crate) async fn destroy(&self, instance: &dyn Instance) -> Result<(), Stop> {
        self.succeed("destroy", instance.destroy()).await
    }

    pub(crate) async fn destroy_all(&self) -> Result<(), Stop> {
        let listed = self.list().await?;
        let destroys = listed.iter().map(|instance| self.destroy(&**instance));
        futures_util::future::try_join_all(destroys).await?;
        self.until_empty().await
    }

    /// The instance as the cloud has it.
    pub(crate) async fn inspect(&self, id: &InstanceId) -> Result<Created, Stop> {
        Ok(self.bench.harness.inspect(&self.id, id).await?)
    }

    /// How many requests of a kind have gone out since this session was opened, where that can be seen.
    pub(crate) fn requests(&self, call: Call) -> Option<usize> {
        self.opened.requests.as_ref().map(|count| count(call))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
