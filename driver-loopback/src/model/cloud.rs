//! The provider: its instances and what it says to each call.

use super::{Boot, Fate, Record, dice::Dice, rate::RateLimiter};
use crate::{
    LoopbackConfig, LoopbackError, Operation,
    faults::{Newcomer, OperationFaults},
};
use pool_api::{CreateRequest, InstanceId, Lifecycle, Placement, ProviderType, TagLimits, Tags};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// What tags the loopback stores: more than any real provider, so that the pool's own limits are what counts.
pub(crate) const TAG_LIMITS: TagLimits = TagLimits { count: 100, name_length: 512, value_length: 65_536 };

/// What becomes of one call, decided when it is made.
#[derive(Debug)]
#[must_use]
pub(crate) struct Call {
    operation: Operation,
    /// How long it takes to arrive.
    pub(crate) delay: Duration,
    /// Why it does not get to where it should.
    failure: Option<LoopbackError>,
    loses_response: bool,
}

impl Call {
    /// To be asked when the delay has passed: whether the call has arrived and is carried out.
    pub(crate) fn arrive(&mut self) -> Result<(), LoopbackError> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// To be asked when it was carried out: whether its answer, good or bad, comes back.
    pub(crate) fn respond<T>(self, answer: Result<T, LoopbackError>) -> Result<T, LoopbackError> {
        if self.loses_response { Err(LoopbackError::NoAnswer { operation: self.operation }) } else { answer }
    }
}

/// What a create that the provider accepts comes to.
#[derive(Debug)]
pub(crate) enum Admission {
    /// This token has made an instance before.
    Known(InstanceId),
    /// A new instance, which the model lists from now on.
    New(Box<Record>),
}

/// An instance with what is not kept on disk.
#[derive(Debug)]
struct Entry {
    record: Record,
    /// Lists do not show it before.
    listed_from: Option<Instant>,
    /// What lists show of its tags until then.
    old_tags: Option<(Tags, Instant)>,
}

/// How many tokens are known whose instances are gone: as many as are made in some hours, and soon forgotten otherwise.
const USED_TOKENS: usize = 10_000;

/// The provider.
#[derive(Debug)]
pub(crate) struct Cloud {
    config: Arc<LoopbackConfig>,
    dice: Dice,
    limiters: HashMap<Operation, RateLimiter>,
    /// How many calls of each operation there were.
    calls: HashMap<Operation, usize>,
    instances: BTreeMap<InstanceId, Entry>,
    /// Those of instances that are there, and the last of those that are gone.
    tokens: HashMap<String, InstanceId>,
    /// Tokens of instances that are gone, the longest gone first.
    used_tokens: VecDeque<String>,
    next_serial: u64,
    /// When the set was opened.
    opened: Instant,
}

impl Cloud {
    /// A provider that has these instances already.
    pub(crate) fn new(config: Arc<LoopbackConfig>, records: Vec<Record>, now: Instant) -> Self {
        let limiters =
            OPERATIONS.into_iter().filter_map(|operation| limiter(&config, operation, now)).collect();
        let next_serial = records.iter().map(|record| record.serial).max().unwrap_or(0) + 1;
        let tokens = records.iter().map(|record| (record.token.clone(), record.id.clone())).collect();
        let instances = records
            .into_iter()
            .map(|record| (record.id.clone(), Entry { record, listed_from: None, old_tags: None }))
            .collect();
        Self {
            dice: Dice::new(config.seed),
            limiters,
            calls: HashMap::new(),
            instances,
            tokens,
            used_tokens: VecDeque::new(),
            next_serial,
            opened: now,
            config,
        }
    }

    /// Another configuration from now on. What is decided of machines stays; calls are counted anew, and a rate of calls
    /// that is another one begins anew.
    pub(crate) fn configure(&mut self, config: Arc<LoopbackConfig>, now: Instant) {
        for operation in OPERATIONS {
            if faults_of(&config, operation).calls_per_second
                != faults_of(&self.config, operation).calls_per_second
            {
                self.limiters.remove(&operation);
                self.limiters.extend(limiter(&config, operation, now));
            }
        }
        self.calls.clear();
        self.config = config;
    }

    /// Decides what becomes of a call that is made now.
    pub(crate) fn call(&mut self, operation: Operation, now: Instant) -> Call {
        let faults = faults_of(&self.config, operation);
        // All are rolled, so that one rate does not change what another brings.
        let fails = self.dice.call(operation, faults.error_rate);
        let loses_request = self.dice.call(operation, faults.lost_request_rate);
        let loses_response = self.dice.call(operation, faults.lost_response_rate);
        let calls = self.calls.entry(operation).or_default();
        let faulty = faults.first_calls.is_none_or(|first| *calls < first);
        *calls += 1;
        let (fails, loses_request, loses_response) =
            (fails && faulty, loses_request && faulty, loses_response && faulty);
        let wait = self.limiters.get_mut(&operation).and_then(|limiter| limiter.take(now).err());
        let failure = match wait {
            _ if loses_request => Some(LoopbackError::NoAnswer { operation }),
            Some(wait) => {
                let retry_after = faults.says_retry_after.then_some(wait);
                Some(LoopbackError::TooManyCalls { operation, retry_after })
            }
            None if fails => Some(LoopbackError::Unavailable { operation }),
            None => None,
        };
        Call { operation, delay: faults.delay, failure, loses_response }
    }

    /// Accepts or refuses a create. An instance that it makes gets the id `fresh`.
    pub(crate) fn admit(
        &mut self,
        request: &CreateRequest,
        fresh: InstanceId,
        now: Instant,
        today: SystemTime,
    ) -> Result<Admission, LoopbackError> {
        if let Some(known) = self.tokens.get(request.token.as_str()).cloned() {
            return if self.instances.contains_key(&known) {
                Ok(Admission::Known(known))
            } else {
                Err(LoopbackError::TokenUsed { id: known })
            };
        }
        if !self.config.placements.contains(&request.placement) {
            return Err(LoopbackError::UnknownPlacement { placement: request.placement.clone() });
        }
        check_tags(&request.tags)?;
        let provider_type = &request.instance_type.provider_type;
        self.check_quota(provider_type)?;
        self.check_capacity(provider_type, &request.placement)?;

        let serial = self.next_serial;
        self.next_serial += 1;
        let since_open = now.saturating_duration_since(self.opened);
        let newcomer = Newcomer { serial, provider_type, since_open };
        let record = Record {
            id: fresh.clone(),
            serial,
            token: request.token.as_str().to_owned(),
            instance_type: request.instance_type.name.clone(),
            provider_type: provider_type.clone(),
            placement: request.placement.clone(),
            tags: request.tags.clone(),
            image: request.image.clone(),
            added_scratch: request.instance_type.added_scratch.0,
            preemptible: request.instance_type.preemptible,
            created: today,
            lifecycle: Lifecycle::Pending,
            boot: Boot::Waiting,
            port: None,
            fate: Fate::decide(&self.config, &mut self.dice, &newcomer),
        };
        self.tokens.insert(record.token.clone(), fresh.clone());
        let entry = Entry { record: record.clone(), listed_from: self.settled(now), old_tags: None };
        self.instances.insert(fresh, entry);
        Ok(Admission::New(Box::new(record)))
    }

    fn check_quota(&self, provider_type: &ProviderType) -> Result<(), LoopbackError> {
        let quota = &self.config.faults.quota;
        if let Some(limit) = quota.instances
            && self.instances.len() >= limit
        {
            return Err(LoopbackError::AccountQuota { limit });
        }
        let group = self.config.group(provider_type);
        if let Some(&limit) = quota.groups.get(&group)
            && self.count(|record| self.config.group(&record.provider_type) == group) >= limit
        {
            return Err(LoopbackError::GroupQuota { limit, group });
        }
        Ok(())
    }

    fn check_capacity(
        &self,
        provider_type: &ProviderType,
        placement: &Placement,
    ) -> Result<(), LoopbackError> {
        let group = self.config.group(provider_type);
        for limit in &self.config.faults.capacity {
            let covered = |record: &Record| {
                let group = self.config.group(&record.provider_type);
                limit.covers(&record.provider_type, &group, &record.placement)
            };
            if limit.covers(provider_type, &group, placement) && self.count(covered) >= limit.instances {
                return Err(LoopbackError::OutOfCapacity {
                    provider_type: limit.provider_type.clone(),
                    quota_group: limit.quota_group.clone(),
                    placement: limit.placement.clone(),
                });
            }
        }
        Ok(())
    }

    fn count(&self, of: impl Fn(&Record) -> bool) -> usize {
        self.instances.values().filter(|entry| of(&entry.record)).count()
    }

    /// What a list shows now.
    pub(crate) fn list(&self, filter: &Tags, now: Instant) -> Vec<Record> {
        self.instances
            .values()
            .filter(|entry| entry.listed_from.is_none_or(|from| from <= now))
            .map(|entry| {
                let mut record = entry.record.clone();
                if let Some((tags, until)) = &entry.old_tags
                    && now < *until
                {
                    record.tags.clone_from(tags);
                }
                record
            })
            .filter(|record| record.tags.matches(filter))
            .collect()
    }

    /// An instance as it really is.
    pub(crate) fn get(&self, id: &InstanceId) -> Option<&Record> {
        self.instances.get(id).map(|entry| &entry.record)
    }

    /// Adds tags; the record as it is then.
    pub(crate) fn set_tags(
        &mut self,
        id: &InstanceId,
        tags: &Tags,
        now: Instant,
    ) -> Result<Record, LoopbackError> {
        let settled = self.settled(now);
        let entry =
            self.instances.get_mut(id).ok_or_else(|| LoopbackError::NoSuchInstance { id: id.clone() })?;
        let mut changed = entry.record.tags.clone();
        changed.extend(tags);
        check_tags(&changed)?;
        let before = std::mem::replace(&mut entry.record.tags, changed);
        if let Some(until) = settled {
            // What is shown already stays shown; the time begins anew.
            let shown = entry.old_tags.take().filter(|(_, old)| now < *old).map_or(before, |(tags, _)| tags);
            entry.old_tags = Some((shown, until));
        }
        Ok(entry.record.clone())
    }

    /// Changes a record that the body has something to say about; the record as it is then. `None` when it is gone.
    pub(crate) fn update(&mut self, id: &InstanceId, change: impl FnOnce(&mut Record)) -> Option<Record> {
        let entry = self.instances.get_mut(id)?;
        change(&mut entry.record);
        Some(entry.record.clone())
    }

    /// An instance is gone. Its token makes no other, as with EC2's:
    /// <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html>.
    pub(crate) fn remove(&mut self, id: &InstanceId) {
        if let Some(entry) = self.instances.remove(id) {
            self.used_tokens.push_back(entry.record.token);
            if self.used_tokens.len() > USED_TOKENS
                && let Some(oldest) = self.used_tokens.pop_front()
            {
                self.tokens.remove(&oldest);
            }
        }
    }

    /// An instance has not come about: all is as if it had never been asked for.
    pub(crate) fn withdraw(&mut self, id: &InstanceId) {
        if let Some(entry) = self.instances.remove(id) {
            self.tokens.remove(&entry.record.token);
        }
    }

    fn settled(&self, now: Instant) -> Option<Instant> {
        let stale = self.config.faults.stale_list;
        (!stale.is_zero()).then(|| now + stale)
    }
}

const OPERATIONS: [Operation; 4] =
    [Operation::Create, Operation::List, Operation::Destroy, Operation::SetTags];

fn limiter(config: &LoopbackConfig, operation: Operation, now: Instant) -> Option<(Operation, RateLimiter)> {
    let faults = faults_of(config, operation);
    let start = if faults.starts_exhausted { RateLimiter::exhausted } else { RateLimiter::new };
    Some((operation, start(faults.calls_per_second?, now)))
}

fn faults_of(config: &LoopbackConfig, operation: Operation) -> &OperationFaults {
    match operation {
        Operation::Create => &config.faults.create,
        Operation::List => &config.faults.list,
        Operation::Destroy => &config.faults.destroy,
        Operation::SetTags => &config.faults.set_tags,
    }
}

fn check_tags(tags: &Tags) -> Result<(), LoopbackError> {
    let bad =
        |name: &str, problem| Err(LoopbackError::BadTag { name: name.chars().take(80).collect(), problem });
    for (at, (name, value)) in tags.iter().enumerate() {
        if at >= TAG_LIMITS.count {
            return bad(name, "is one too many");
        }
        if name.is_empty() || name.chars().count() > TAG_LIMITS.name_length {
            return bad(name, "must have a name of 1 to 512 characters");
        }
        if value.chars().count() > TAG_LIMITS.value_length {
            return bad(name, "has a value of more than 65536 characters");
        }
    }
    Ok(())
}
