//! What every caller needs around a driver, written once: default tags, tag filter, counters, time limits.

use crate::{
    calls::{CallOutcome, CallReport},
    link::chain,
    metrics::Metrics,
};
use futures_util::FutureExt as _;
use pool_api::{
    BoxCloudError, CreateRequest, Effect as CallEffect, ErrorKind, Instance, InstanceId, InstanceSet,
    InstanceTypeName, Tags,
};
use pool_state::{CallKind, Failure};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Called after each call, and must not wait.
pub(crate) type CallWatch = Box<dyn Fn(CallReport) + Send + Sync>;

/// An instance set with what the pool adds to each call.
pub(crate) struct Cloud {
    driver: Arc<dyn InstanceSet>,
    /// Tags on every create and in every filter: whose instances these are.
    tags: Tags,
    time_limit: Duration,
    metrics: Arc<Metrics>,
    watch: Option<CallWatch>,
    /// The newest description of each instance, to act on it.
    instances: Mutex<BTreeMap<InstanceId, Arc<dyn Instance>>>,
}

impl Cloud {
    pub(crate) fn new(
        driver: Arc<dyn InstanceSet>,
        tags: Tags,
        time_limit: Duration,
        metrics: Arc<Metrics>,
        watch: Option<CallWatch>,
    ) -> Self {
        Self { driver, tags, time_limit, metrics, watch, instances: Mutex::default() }
    }

    /// Creates an instance that carries the default tags too.
    pub(crate) async fn create(&self, mut request: CreateRequest) -> Result<Arc<dyn Instance>, Failure> {
        let mut tags = self.tags.clone();
        tags.extend(&request.tags);
        request.tags = tags;
        let instance_type = Some(request.instance_type.name.clone());
        self.call(CallKind::Create, instance_type, self.driver.create(request)).await
    }

    /// Lists the instances that carry the default tags, and no others, whatever the driver returns.
    pub(crate) async fn instances(&self) -> Result<Vec<Arc<dyn Instance>>, Failure> {
        let mut instances = self.call(CallKind::List, None, self.driver.instances(&self.tags)).await?;
        instances.retain(|instance| instance.tags().matches(&self.tags));
        Ok(instances)
    }

    /// Keeps the newest descriptions of instances, to act on them.
    pub(crate) fn learn(&self, instances: &[Arc<dyn Instance>]) {
        self.known().extend(instances.iter().map(|instance| (instance.id().clone(), instance.clone())));
    }

    /// Destroys an instance; one that is not known is gone.
    pub(crate) async fn destroy(&self, id: &InstanceId) -> Result<(), Failure> {
        let Some(instance) = self.instance(id) else { return Ok(()) };
        match self.call(CallKind::Destroy, None, instance.destroy()).await {
            Err(failure) if is_not_found(&failure) => Ok(()),
            other => other,
        }
    }

    pub(crate) async fn set_tags(&self, id: &InstanceId, tags: &Tags) -> Result<(), Failure> {
        let Some(instance) = self.instance(id) else {
            return Err(not_found("the instance is not known any longer"));
        };
        self.call(CallKind::SetTags, None, instance.set_tags(tags)).await
    }

    /// The newest description of an instance.
    pub(crate) fn instance(&self, id: &InstanceId) -> Option<Arc<dyn Instance>> {
        self.known().get(id).cloned()
    }

    pub(crate) fn forget(&self, id: &InstanceId) {
        self.known().remove(id);
    }

    /// Forgets the descriptions of instances that are no workers.
    pub(crate) fn retain(&self, ids: &BTreeSet<InstanceId>) {
        self.known().retain(|id, _| ids.contains(id));
    }

    /// Removes what failed creates have left behind. Returns how many things those were.
    pub(crate) async fn sweep(&self) -> Result<usize, Failure> {
        self.bounded(self.driver.sweep()).await
    }

    pub(crate) async fn stop(&self) {
        self.driver.stop().await;
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<InstanceId, Arc<dyn Instance>>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call<T>(
        &self,
        operation: CallKind,
        instance_type: Option<InstanceTypeName>,
        call: impl Future<Output = Result<T, BoxCloudError>>,
    ) -> Result<T, Failure> {
        let began = tokio::time::Instant::now();
        let result = self.bounded(call).await;
        let (outcome, took) = (CallOutcome::of(&result), began.elapsed());
        self.metrics.count_call(operation, outcome, took);
        if let Some(watch) = &self.watch {
            watch(CallReport { operation, outcome, instance_type, took });
        }
        result
    }

    /// What a driver does, within the time limit.
    async fn bounded<T>(&self, call: impl Future<Output = Result<T, BoxCloudError>>) -> Result<T, Failure> {
        // A driver that panics must not leave a call in flight for ever: it would keep its place.
        let call = AssertUnwindSafe(call).catch_unwind();
        match tokio::time::timeout(self.time_limit, call).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(error))) => Err(Failure { message: chain(&error), ..Failure::from(&error) }),
            Ok(Err(_)) => Err(Failure::lost("the driver panicked: please report this to those who make it")),
            Err(_) => Err(Failure::lost(format!("no answer within {:?}", self.time_limit))),
        }
    }
}

fn is_not_found(failure: &Failure) -> bool {
    failure.class == pool_state::FailureClass::Other(ErrorKind::NotFound)
}

fn not_found(message: &str) -> Failure {
    Failure {
        class: pool_state::FailureClass::Other(ErrorKind::NotFound),
        effect: CallEffect::NotDone,
        message: message.to_owned(),
    }
}
