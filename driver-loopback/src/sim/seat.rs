//! What a program has of the world.

use super::{
    SimCloud,
    calls::{Answer, Request},
    executor::SimExecutor,
    instance::SimInstance,
};
use crate::{LoopbackError, model::Record};
use async_trait::async_trait;
use pool_api::{
    BoxCloudError, Capabilities, CreateRequest, Executor, HostVerifier, Instance, InstanceSet, InstanceType,
    Placement, PublicKey, QuotaGroup, Tags, Target,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// A program's place in the world: the events that it causes carry its number.
#[derive(Clone, Debug)]
pub struct SimSeat {
    world: SimCloud,
    program: u32,
}

impl SimSeat {
    pub(super) fn new(world: SimCloud, program: u32) -> Self {
        Self { world, program }
    }

    /// The instance set, as a program opens it: [`stop`](InstanceSet::stop) ends this one alone.
    pub fn instance_set(&self) -> Arc<dyn InstanceSet> {
        Arc::new(SimInstanceSet { seat: self.clone(), stopped: AtomicBool::new(false) })
    }

    /// The key that executors log in with: every program's.
    pub fn public_key(&self) -> PublicKey {
        self.world.lock().public_key.clone()
    }

    /// An executor for one machine, which behaves as `executor-ssh`'s. Its methods must be called within the runtime
    /// that was entered last.
    pub fn executor(&self, target: Option<Target>, verifier: Arc<dyn HostVerifier>) -> Arc<dyn Executor> {
        Arc::new(SimExecutor::new(self.world.clone(), self.program, target, verifier))
    }

    pub(super) fn world(&self) -> &SimCloud {
        &self.world
    }

    /// Makes a call and waits for its answer. Dropping the future leaves it under way.
    pub(super) async fn call(&self, request: Request) -> Result<Answer, LoopbackError> {
        let answer = self.world.lock().call(self.program, request);
        // The world answers every call, unless it is gone itself.
        answer.await.unwrap_or(Err(LoopbackError::Stopped))
    }
}

/// The instances of the world.
#[derive(Debug)]
struct SimInstanceSet {
    seat: SimSeat,
    stopped: AtomicBool,
}

impl SimInstanceSet {
    async fn call(&self, request: Request) -> Result<Answer, LoopbackError> {
        if self.stopped.load(Ordering::SeqCst) {
            return Err(LoopbackError::Stopped);
        }
        self.seat.call(request).await
    }

    fn instance(&self, record: Record) -> Arc<dyn Instance> {
        Arc::new(SimInstance::new(self.seat.clone(), record))
    }
}

#[async_trait]
impl InstanceSet for SimInstanceSet {
    async fn create(&self, request: CreateRequest) -> Result<Arc<dyn Instance>, BoxCloudError> {
        match self.call(Request::Create(Box::new(request))).await? {
            Answer::Created(record) => Ok(self.instance(*record)),
            Answer::Listed(_) | Answer::Done => Err(LoopbackError::Stopped.into()),
        }
    }

    async fn instances(&self, filter: &Tags) -> Result<Vec<Arc<dyn Instance>>, BoxCloudError> {
        match self.call(Request::List(filter.clone())).await? {
            Answer::Listed(records) => Ok(records.into_iter().map(|record| self.instance(record)).collect()),
            Answer::Created(_) | Answer::Done => Err(LoopbackError::Stopped.into()),
        }
    }

    fn quota_group(&self, instance_type: &InstanceType) -> QuotaGroup {
        self.seat.world.lock().config.group(&instance_type.provider_type)
    }

    fn placements(&self) -> Vec<Placement> {
        self.seat.world.lock().config.placements.clone()
    }

    fn capabilities(&self) -> Capabilities {
        self.seat.world.lock().config.capabilities()
    }

    async fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }
}
