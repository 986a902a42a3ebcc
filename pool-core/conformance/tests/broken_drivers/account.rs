//! A cloud in memory, with pages, faults, and a disk for every machine.

use crate::mutation::Mutation;
use pool_api::{CreateRequest, DriverError, Effect, ErrorClass, InstanceId, InstanceSetId, Lifecycle, Tags};
use pool_conformance::{Call, Failure, Fault};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// The driver's own limit for a call.
const TIME_LIMIT: Duration = Duration::from_millis(200);
/// What the provider says to whatever it refuses.
pub(crate) const MESSAGE: &str = "the cloud says no";

#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) id: InstanceId,
    pub(crate) set: InstanceSetId,
    pub(crate) request: CreateRequest,
    pub(crate) tags: Tags,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) made: Instant,
    /// What was there before, and until when lists show it, where they lag.
    pub(crate) old_tags: Option<(Tags, Instant)>,
}

#[derive(Default)]
pub(crate) struct Things {
    pub(crate) machines: BTreeMap<InstanceId, Machine>,
    /// What is there beside machines: names with the set that they belong to.
    pub(crate) disks: Vec<(InstanceSetId, String)>,
    pub(crate) made: usize,
}

/// The account that all sets of a run share.
#[derive(Default)]
pub(crate) struct Account(Mutex<Things>);

impl Account {
    pub(crate) fn things(&self) -> MutexGuard<'_, Things> {
        self.0.lock().unwrap()
    }
}

/// The way to the account from one set that is open.
pub(crate) struct Wire {
    pub(crate) account: Arc<Account>,
    pub(crate) mutation: Mutation,
    faults: Mutex<Vec<Fault>>,
    requests: Mutex<HashMap<Call, usize>>,
}

impl Wire {
    pub(crate) fn new(account: Arc<Account>, mutation: Mutation, faults: &[Fault]) -> Arc<Self> {
        Arc::new(Self { account, mutation, faults: Mutex::new(faults.to_vec()), requests: Mutex::default() })
    }

    pub(crate) fn requests(&self, call: Call) -> usize {
        self.requests.lock().unwrap().get(&call).copied().unwrap_or_default()
    }

    pub(crate) fn page_size(&self) -> usize {
        let faults = self.faults.lock().unwrap();
        faults
            .iter()
            .find_map(|fault| if let Failure::SmallPages(size) = fault.failure { Some(size) } else { None })
            .unwrap_or(1000)
    }

    /// One request: what the provider does, and what goes wrong with it.
    pub(crate) async fn send<T>(
        &self,
        call: Call,
        page: usize,
        act: impl Fn(&mut Things) -> Result<T, DriverError>,
    ) -> Result<T, DriverError> {
        let first = self.once(call, page, &act).await;
        match first {
            Err(error) if self.mutation == Mutation::Retries && error.class() == ErrorClass::Transient => {
                self.once(call, page, &act).await
            }
            other => other,
        }
    }

    async fn once<T>(
        &self,
        call: Call,
        page: usize,
        act: impl Fn(&mut Things) -> Result<T, DriverError>,
    ) -> Result<T, DriverError> {
        *self.requests.lock().unwrap().entry(call).or_default() += 1;
        let operation = match call {
            Call::Create => "create",
            Call::List => "list",
            Call::SetTags => "set_tags",
            Call::Destroy => "destroy",
        };
        let said = |class| Err(self.error(operation, class, MESSAGE));
        // The effect of what was answered with nothing, or with nothing of use.
        let unanswered = |text| {
            let effect = if self.mutation == Mutation::TakesNothingForARefusal {
                Effect::NotDone
            } else {
                Effect::Unknown
            };
            Err(self.error(operation, ErrorClass::Transient, text).with_effect(effect))
        };
        let act = || act(&mut self.account.things());
        match self.fault(call, page) {
            None => act(),
            Some(Failure::Quota(scope)) => said(ErrorClass::Quota(scope)),
            Some(Failure::Capacity(scope)) => said(ErrorClass::Capacity(scope)),
            Some(Failure::RateLimit { retry_after }) => said(ErrorClass::RateLimit { retry_after }),
            Some(Failure::Auth) => said(ErrorClass::Auth),
            Some(Failure::InvalidRequest) => said(ErrorClass::InvalidRequest),
            Some(Failure::NotFound) => said(ErrorClass::NotFound),
            Some(Failure::ServerError(_) | Failure::FailingPage(_)) => said(ErrorClass::Transient),
            Some(Failure::LostRequest | Failure::Reset) => unanswered("no answer"),
            Some(Failure::LostResponse | Failure::CutBody) => {
                act()?;
                unanswered("no answer")
            }
            Some(Failure::Repeat) => {
                act()?;
                act()
            }
            Some(Failure::GarbageBody) => {
                let done = act()?;
                if self.mutation == Mutation::TakesGarbageForSuccess {
                    Ok(done)
                } else {
                    unanswered("garbage")
                }
            }
            Some(Failure::Hang) => {
                if self.mutation == Mutation::HasNoTimeLimit {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(TIME_LIMIT).await;
                unanswered("no answer in time")
            }
            Some(Failure::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                act()
            }
            Some(Failure::SmallPages(_)) => act(),
        }
    }

    /// What is to go wrong with this request, if anything. Small pages are no failure.
    fn fault(&self, call: Call, page: usize) -> Option<Failure> {
        let mut faults = self.faults.lock().unwrap();
        let fault = faults.iter_mut().find(|fault| {
            fault.call == call
                && fault.times != Some(0)
                && match fault.failure {
                    Failure::SmallPages(_) => false,
                    Failure::FailingPage(failing) => failing == page,
                    _ => true,
                }
        })?;
        fault.times = fault.times.map(|times| times - 1);
        Some(fault.failure)
    }

    /// An error as this driver understands it.
    fn error(&self, operation: &'static str, class: ErrorClass, message: &str) -> DriverError {
        use pool_api::{FailureScope, PlacementReach, Reach};
        let wide = FailureScope::new(Reach::All, PlacementReach::Every);
        let class = match (self.mutation, class) {
            (Mutation::TakesQuotaForCapacity, ErrorClass::Quota(scope)) => ErrorClass::Capacity(scope),
            (Mutation::TakesCapacityForQuota, ErrorClass::Capacity(scope)) => ErrorClass::Quota(scope),
            (Mutation::WidensEveryScope, ErrorClass::Quota(_)) => ErrorClass::Quota(wide),
            (Mutation::WidensEveryScope, ErrorClass::Capacity(_)) => ErrorClass::Capacity(wide),
            (Mutation::TakesRateLimitsForTransient, ErrorClass::RateLimit { .. }) => ErrorClass::Transient,
            (Mutation::DropsRetryAfter, ErrorClass::RateLimit { .. }) => {
                ErrorClass::RateLimit { retry_after: None }
            }
            (Mutation::TakesAllForTransient, _) => ErrorClass::Transient,
            (_, class) => class,
        };
        let message = if self.mutation == Mutation::DropsTheMessage { "failed" } else { message };
        DriverError::new(operation, class, message)
    }
}
