//! The driver that is broken in one way or in none.

use crate::{
    account::{MESSAGE, Machine, Things, Wire},
    mutation::Mutation,
};
use async_trait::async_trait;
use pool_api::{
    BoxCloudError, ByteSize, Capabilities, CreateRequest, DriverError, ErrorClass, HostKey, HostKeyVerdict,
    Idempotency, IdempotencyToken, Instance, InstanceId, InstanceSet, InstanceSetId, InstanceType, Lifecycle,
    Placement, Privilege, ProviderType, QuotaGroup, RemoteUser, TagLimits, Tags,
};
use pool_conformance::Call;
use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

pub(crate) struct MemorySet {
    pub(crate) id: InstanceSetId,
    pub(crate) wire: Arc<Wire>,
    /// Tokens that this process has used.
    pub(crate) tokens: Mutex<HashSet<IdempotencyToken>>,
    /// Instances that this process has made.
    pub(crate) own: Mutex<HashSet<InstanceId>>,
}

pub(crate) struct MemoryInstance {
    machine: Machine,
    wire: Arc<Wire>,
}

impl fmt::Debug for MemoryInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wire.mutation == Mutation::ShowsTheInitCommandInDebug {
            return write!(
                f,
                "MemoryInstance({}, {})",
                self.machine.id,
                self.machine.request.init_command.expose()
            );
        }
        write!(f, "MemoryInstance({})", self.machine.id)
    }
}

/// For so long, where lists lag, they lack new instances and new tags.
const LAG: Duration = Duration::from_millis(200);

/// What a list shows of a machine, if anything.
fn as_listed(machine: &Machine, mutation: Mutation) -> Option<Machine> {
    let mut listed = machine.clone();
    if matches!(mutation, Mutation::LagsAsItSays | Mutation::LagsInSecret) {
        if machine.made.elapsed() < LAG {
            return None;
        }
        if let Some((tags, until)) = &machine.old_tags
            && Instant::now() < *until
        {
            listed.tags = tags.clone();
        }
    }
    Some(listed)
}

fn not_found(operation: &'static str) -> DriverError {
    DriverError::new(operation, ErrorClass::NotFound, MESSAGE)
}

impl MemorySet {
    /// The provider's side of a create.
    fn make(&self, things: &mut Things, request: &CreateRequest, tags: Tags) -> Machine {
        let knows_token = match self.wire.mutation {
            Mutation::IgnoresTheToken => false,
            Mutation::RemembersTokensInMemoryAlone => self.tokens.lock().unwrap().contains(&request.token),
            _ => true,
        };
        let same = |machine: &&Machine| match self.wire.mutation {
            Mutation::TakesEveryTokenForTheSame => machine.set == self.id,
            _ => knows_token && machine.request.token == request.token,
        };
        if let Some(machine) = things.machines.values().find(same) {
            return machine.clone();
        }
        self.tokens.lock().unwrap().insert(request.token.clone());
        things.made += 1;
        let id = InstanceId::new(format!("m-{:05}", things.made)).unwrap();
        let machine = Machine {
            id: id.clone(),
            set: self.id.clone(),
            request: request.clone(),
            tags,
            lifecycle: Lifecycle::Running,
            made: Instant::now(),
            old_tags: None,
        };
        things.disks.push((self.id.clone(), format!("disk-of-{id}")));
        things.machines.insert(id, machine.clone());
        machine
    }

    /// What this driver makes of a request before it sends it.
    fn as_sent(&self, mut request: CreateRequest) -> Result<CreateRequest, DriverError> {
        let placements = self.placements();
        if !placements.contains(&request.placement) {
            if self.wire.mutation != Mutation::FallsBackToAnotherPlacement {
                return Err(DriverError::new(
                    "create",
                    ErrorClass::InvalidRequest,
                    "there is no such placement",
                ));
            }
            request.placement = placements[0].clone();
        }
        let mut instance_type = (*request.instance_type).clone();
        match self.wire.mutation {
            Mutation::PutsAllIntoTheFirstPlacement => request.placement = placements[0].clone(),
            Mutation::DropsTheImage => request.image = None,
            Mutation::TrimsTheInitCommand => {
                request.init_command =
                    pool_api::InitCommand::new(request.init_command.expose().trim().to_owned());
            }
            Mutation::ForgetsTheKey => request.public_key = pool_api::PublicKey(String::new()),
            Mutation::ForgetsScratch => instance_type.added_scratch = ByteSize(0),
            Mutation::AlwaysSpot => instance_type.preemptible = true,
            Mutation::NeverSpot => instance_type.preemptible = false,
            Mutation::LogsTheInitCommand => {
                tracing::debug!(script = request.init_command.expose(), "create");
            }
            Mutation::Panics => panic!("{:?}", request.placement),
            _ => {}
        }
        request.instance_type = Arc::new(instance_type);
        if self.wire.mutation == Mutation::CutsLongTags {
            let cut =
                |(name, value): (&str, &str)| (name.to_owned(), value.chars().take(100).collect::<String>());
            request.tags = request.tags.iter().map(cut).collect();
        }
        if self.wire.mutation == Mutation::ForgetsATag {
            request.tags = request.tags.iter().filter(|(name, _)| *name != "InstanceType").collect();
        }
        Ok(request)
    }

    fn instance(&self, machine: Machine) -> Arc<dyn Instance> {
        Arc::new(MemoryInstance { machine, wire: Arc::clone(&self.wire) })
    }
}

#[async_trait]
impl InstanceSet for MemorySet {
    async fn create(&self, request: CreateRequest) -> Result<Arc<dyn Instance>, BoxCloudError> {
        let request = self.as_sent(request)?;
        let later = self.wire.mutation == Mutation::CreatesWithoutTagsAndTagsThen;
        let tags = if later { Tags::new() } else { request.tags.clone() };
        let made =
            self.wire.send(Call::Create, 1, |things| Ok(self.make(things, &request, tags.clone()))).await;
        let mut machine = made.map_err(|error| {
            if self.wire.mutation == Mutation::ShowsTheInitCommandInErrors {
                return DriverError::new(
                    "create",
                    error.class(),
                    format!("{error}: {}", request.init_command.expose()),
                );
            }
            error
        })?;
        if later {
            tokio::time::sleep(Duration::from_millis(30)).await;
            machine.tags = request.tags.clone();
            if let Some(made) = self.wire.account.things().machines.get_mut(&machine.id) {
                made.tags = request.tags.clone();
            }
        }
        self.own.lock().unwrap().insert(machine.id.clone());
        Ok(self.instance(machine))
    }

    async fn instances(&self, filter: &Tags) -> Result<Vec<Arc<dyn Instance>>, BoxCloudError> {
        let mutation = self.wire.mutation;
        let matches = |machine: &Machine| match mutation {
            Mutation::IgnoresTheFilter => true,
            Mutation::FiltersWithoutCase => filter.iter().all(|(name, value)| {
                machine.tags.get(name).is_some_and(|own| own.eq_ignore_ascii_case(value))
            }),
            Mutation::ListsOnlyItsOwn => {
                machine.tags.matches(filter) && self.own.lock().unwrap().contains(&machine.id)
            }
            _ => machine.tags.matches(filter),
        };
        let size = self.wire.page_size();
        let mut listed: Vec<Machine> = Vec::new();
        for page in 1.. {
            let skipped = match mutation {
                Mutation::ListsThePageBeforeAgain if page > 1 => (page - 2) * size,
                _ => (page - 1) * size,
            };
            let answer = self
                .wire
                .send(Call::List, page, |things| {
                    let found = things.machines.values().filter_map(|machine| as_listed(machine, mutation));
                    let all = found.filter(|machine| matches(machine)).collect::<Vec<_>>();
                    let more = page * size < all.len();
                    Ok((all.into_iter().skip(skipped).take(size).collect::<Vec<_>>(), more))
                })
                .await;
            match answer {
                Err(_) if mutation == Mutation::ListsHalfOnAFailedPage && page > 1 => break,
                Err(error) => return Err(error.into()),
                Ok((machines, more)) => {
                    listed.extend(machines);
                    if !more || mutation == Mutation::ListsTheFirstPageAlone {
                        break;
                    }
                }
            }
        }
        Ok(listed.into_iter().map(|machine| self.instance(machine)).collect())
    }

    fn quota_group(&self, _: &InstanceType) -> QuotaGroup {
        QuotaGroup::new("all").unwrap()
    }

    fn placements(&self) -> Vec<Placement> {
        vec![Placement::new("a"), Placement::new("b")]
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            idempotency: Idempotency::Token,
            tags: TagLimits { count: 50, name_length: 128, value_length: 256 },
            preemptible: true,
            added_scratch: true,
            host_keys: false,
            list_settle_time: if self.wire.mutation == Mutation::LagsAsItSays {
                LAG + LAG
            } else {
                Duration::ZERO
            },
        }
    }

    async fn sweep(&self) -> Result<usize, BoxCloudError> {
        let mut things = self.wire.account.things();
        if self.wire.mutation == Mutation::SweepsOthers {
            things.machines.values_mut().for_each(|machine| machine.tags = Tags::new());
        }
        if matches!(self.wire.mutation, Mutation::LeavesLeftovers | Mutation::LeavesDisks) {
            return Ok(0);
        }
        let before = things.disks.len();
        let Things { machines, disks, .. } = &mut *things;
        disks.retain(|(set, name)| {
            *set != self.id || machines.keys().any(|id| *name == format!("disk-of-{id}"))
        });
        Ok(before - disks.len())
    }

    async fn stop(&self) {
        match self.wire.mutation {
            Mutation::StopDestroys => {
                self.wire.account.things().machines.retain(|_, machine| machine.set != self.id);
            }
            Mutation::StopLeavesWork => drop(tokio::spawn(std::future::pending::<()>())),
            _ => {}
        }
    }
}

#[async_trait]
impl Instance for MemoryInstance {
    fn id(&self) -> &InstanceId {
        &self.machine.id
    }

    fn provider_type(&self) -> &ProviderType {
        &self.machine.request.instance_type.provider_type
    }

    fn placement(&self) -> &Placement {
        &self.machine.request.placement
    }

    fn address(&self) -> Option<&str> {
        None
    }

    fn remote_user(&self) -> RemoteUser {
        RemoteUser { name: "root".into(), privilege: Privilege::Own }
    }

    fn tags(&self) -> &Tags {
        &self.machine.tags
    }

    fn lifecycle(&self) -> Lifecycle {
        match self.wire.mutation {
            Mutation::ShowsStoppedAsRunning => Lifecycle::Running,
            _ => self.machine.lifecycle,
        }
    }

    fn created(&self) -> Option<SystemTime> {
        None
    }

    async fn set_tags(&self, tags: &Tags) -> Result<(), BoxCloudError> {
        let mutation = self.wire.mutation;
        let change = |things: &mut Things| {
            let Some(machine) = things.machines.get_mut(&self.machine.id) else {
                let succeeds = mutation == Mutation::SetTagsOfNothingSucceeds;
                return if succeeds { Ok(()) } else { Err(not_found("set_tags")) };
            };
            machine.old_tags = Some((machine.tags.clone(), Instant::now() + LAG));
            match mutation {
                Mutation::SetTagsReplacesAll => machine.tags = tags.clone(),
                Mutation::SetTagsKeepsOldValues => {
                    let mut all = tags.clone();
                    all.extend(&machine.tags);
                    machine.tags = all;
                }
                Mutation::LowersTagValues => {
                    let lower = tags.iter().map(|(name, value)| (name, value.to_lowercase()));
                    machine.tags.extend(&lower.collect());
                }
                _ => machine.tags.extend(tags),
            }
            Ok(())
        };
        Ok(self.wire.send(Call::SetTags, 1, change).await?)
    }

    async fn destroy(&self) -> Result<(), BoxCloudError> {
        let mutation = self.wire.mutation;
        let end = |things: &mut Things| {
            if mutation == Mutation::DestroysNothing {
                return Ok(());
            }
            if mutation == Mutation::DestroysAll {
                things.machines.retain(|_, machine| machine.set != self.machine.set);
                return Ok(());
            }
            let gone = things.machines.remove(&self.machine.id).is_none();
            if mutation != Mutation::LeavesDisks {
                let disk = format!("disk-of-{}", self.machine.id);
                things.disks.retain(|(_, name)| *name != disk);
            }
            if gone && mutation == Mutation::DestroyOfNothingFails {
                Err(not_found("destroy"))
            } else {
                Ok(())
            }
        };
        Ok(self.wire.send(Call::Destroy, 1, end).await?)
    }

    async fn verify_host_key(&self, _: &HostKey) -> Result<HostKeyVerdict, BoxCloudError> {
        Ok(HostKeyVerdict::Unsupported)
    }
}
