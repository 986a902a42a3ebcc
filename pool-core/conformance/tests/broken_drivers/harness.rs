//! The harness of the driver in memory.

use crate::{
    account::{Account, MESSAGE, Wire},
    driver::MemorySet,
    mutation::Mutation,
};
use async_trait::async_trait;
use pool_api::{
    Architecture, ByteSize, Cpus, HourlyPrice, ImageId, InstanceId, InstanceSetId, InstanceType, Lifecycle,
    PublicKey,
};
use pool_conformance::{
    Created, Fault, Fixtures, Harness, Interruption, Missing, Opened, Refusal, Seen, Settings,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

pub(crate) struct MemoryHarness {
    pub(crate) account: Arc<Account>,
    pub(crate) mutation: Mutation,
}

fn instance_type(name: &str) -> InstanceType {
    InstanceType {
        name: name.try_into().unwrap(),
        provider_type: "memory.small".try_into().unwrap(),
        vcpus: Cpus::whole(1),
        memory: ByteSize::gib(1),
        included_scratch: ByteSize(0),
        added_scratch: ByteSize(0),
        gpus: 0,
        price: HourlyPrice::ZERO,
        preemptible: false,
        architecture: Architecture::default(),
        image: None,
    }
}

#[async_trait]
impl Harness for MemoryHarness {
    fn driver(&self) -> &str {
        "memory"
    }

    async fn prepare(&self, settings: &Settings) -> Result<(), Missing> {
        if settings.live {
            Err(Missing("there is no account to be had in memory".to_owned()))
        } else {
            Ok(())
        }
    }

    fn fixtures(&self) -> Fixtures {
        Fixtures {
            instance_type: instance_type("small"),
            scratch_type: Some(InstanceType { added_scratch: ByteSize::gib(2), ..instance_type("scratch") }),
            preemptible_type: Some(InstanceType { preemptible: true, ..instance_type("spot") }),
            image: ImageId::new("image-1").ok(),
            public_key: PublicKey("ssh-ed25519 AAAA conformance".to_owned()),
            call_limit: Duration::from_secs(2),
            change_limit: Duration::from_secs(1),
            boot_limit: Duration::ZERO,
            many: 50,
        }
    }

    async fn open(&self, set: &InstanceSetId, faults: &[Fault]) -> Result<Opened, Refusal> {
        let wire = Wire::new(Arc::clone(&self.account), self.mutation, faults);
        let counted = Arc::clone(&wire);
        let opened = MemorySet { id: set.clone(), wire, tokens: Mutex::default(), own: Mutex::default() };
        Ok(Opened::new(Arc::new(opened)).counting(move |call| counted.requests(call)))
    }

    fn message(&self, _: &Fault) -> String {
        MESSAGE.to_owned()
    }

    async fn inspect(&self, _: &InstanceSetId, id: &InstanceId) -> Result<Created, Refusal> {
        let things = self.account.things();
        let machine = things.machines.get(id).ok_or_else(|| Refusal::broken("there is no such machine"))?;
        let request = &machine.request;
        Ok(Created {
            provider_type: Seen::Is(request.instance_type.provider_type.clone()),
            image: Seen::Is(request.image.clone()),
            placement: Seen::Is(request.placement.clone()),
            tags: Seen::Is(machine.tags.clone()),
            init_command: Seen::Is(request.init_command.expose().as_bytes().to_vec()),
            public_key: Seen::Is(request.public_key.0.clone()),
            added_scratch: Seen::Is(request.instance_type.added_scratch),
            preemptible: Seen::Is(request.instance_type.preemptible),
        })
    }

    async fn interrupt(&self, _: &InstanceSetId, id: &InstanceId, _: Interruption) -> Result<(), Refusal> {
        let mut things = self.account.things();
        let machine =
            things.machines.get_mut(id).ok_or_else(|| Refusal::broken("there is no such machine"))?;
        machine.lifecycle = Lifecycle::Stopped;
        Ok(())
    }

    async fn leave_behind(&self, set: &InstanceSetId) -> Result<String, Refusal> {
        self.account.things().disks.push((set.clone(), "disk-of-nobody".to_owned()));
        Ok("a disk of nobody".to_owned())
    }

    async fn faulty_requests(&self) -> Result<Vec<String>, Refusal> {
        let faulty = self.mutation == Mutation::SendsWhatIsNotInTheApi;
        Ok(faulty.then(|| "create: unknown parameter Colour".to_owned()).into_iter().collect())
    }

    async fn left(&self, set: &InstanceSetId) -> Result<Vec<String>, Refusal> {
        let things = self.account.things();
        let machines = things
            .machines
            .values()
            .filter(|machine| machine.set == *set)
            .map(|machine| machine.id.to_string());
        let disks = things.disks.iter().filter(|(own, _)| own == set).map(|(_, name)| name.clone());
        Ok(machines.chain(disks).collect())
    }
}
