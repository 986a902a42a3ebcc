//! This driver as the suite sees it.

use async_trait::async_trait;
use driver_template::{Call as CloudCall, Cloud, Refusal as CloudRefusal, TemplateDriver};
use pool_api::{
    ByteSize, Driver, DriverContext, FailureScope, ImageId, InstanceId, InstanceSetId, InstanceType,
    LabelCodec, LabelLimits, Placement, PlacementReach, ProviderType, PublicKey, Reach, Tags,
};
use pool_conformance::{
    Call, Created, Failure, Fault, Fixtures, Harness, Interruption, Missing, Opened, Refusal, Seen, Settings,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// What the provider says to whatever a trial makes it refuse.
const MESSAGE: &str = "the cloud says no";
const NO_WIRE: &str = "this cloud is in memory: nothing is sent that could break";

/// Each set has a cloud of its own, so that one trial's faults do not hit another.
#[derive(Default)]
pub(crate) struct TemplateHarness {
    clouds: Mutex<HashMap<InstanceSetId, Arc<Cloud>>>,
}

impl TemplateHarness {
    fn cloud(&self, set: &InstanceSetId) -> Arc<Cloud> {
        // A trial's second set is in the same account.
        let name = set.as_str().trim_end_matches("-other");
        let mut clouds = self.clouds.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(clouds.entry(InstanceSetId::new(name).unwrap_or_else(|_| set.clone())).or_default())
    }
}

#[async_trait]
impl Harness for TemplateHarness {
    fn driver(&self) -> &str {
        "template"
    }

    async fn prepare(&self, settings: &Settings) -> Result<(), Missing> {
        if settings.live { Err(Missing("this cloud has no machines to reach".to_owned())) } else { Ok(()) }
    }

    fn fixtures(&self) -> Fixtures {
        let small = r#"{"name": "small", "provider_type": "t.small", "vcpus": 1.0, "memory": "1 GiB", "price": 0.01}"#;
        let instance_type: InstanceType =
            serde_json::from_str(small).unwrap_or_else(|error| panic!("{error}"));
        Fixtures {
            instance_type,
            scratch_type: None,
            preemptible_type: None,
            image: ImageId::new("image-1").ok(),
            public_key: PublicKey("ssh-ed25519 AAAA conformance".to_owned()),
            call_limit: Duration::from_secs(5),
            change_limit: Duration::from_secs(5),
            boot_limit: Duration::ZERO,
            many: 50,
        }
    }

    async fn open(&self, set: &InstanceSetId, faults: &[Fault]) -> Result<Opened, Refusal> {
        let mut config = serde_json::json!({});
        let mut refusals = Vec::new();
        for fault in faults {
            match fault.failure {
                Failure::SmallPages(size) => config["page_size"] = size.into(),
                Failure::FailingPage(page) => {
                    refusals.push((CloudCall::List, Some(page), refusal(Failure::ServerError(500))?))
                }
                failure => {
                    let nth = fault.times.map(|_| 1);
                    refusals.push((cloud_call(fault.call), nth, refusal(failure)?));
                }
            }
        }
        let cloud = self.cloud(set);
        cloud.plan(move |call, nth| {
            let meant = |(own, only, _): &&(CloudCall, Option<usize>, CloudRefusal)| {
                *own == call && only.is_none_or(|only| only == nth)
            };
            refusals.iter().find(meant).map(|(_, _, refusal)| refusal.clone())
        });
        let context = DriverContext { instance_set: set.clone(), state_dir: std::env::temp_dir() };
        let opened = TemplateDriver::new(Arc::clone(&cloud)).open(config, context).await?;
        Ok(Opened::new(opened).counting(move |call| cloud.calls(cloud_call(call))))
    }

    fn message(&self, _: &Fault) -> String {
        MESSAGE.to_owned()
    }

    async fn inspect(&self, set: &InstanceSetId, id: &InstanceId) -> Result<Created, Refusal> {
        let machine = self.cloud(set).get(id.as_str()).map_err(|refusal| Refusal::broken(refusal.message))?;
        Ok(Created {
            provider_type: Seen::Is(ProviderType::new(&machine.machine_type)?),
            image: Seen::Is(Some(ImageId::new(&machine.image)?)),
            placement: Seen::Is(Placement::new(&machine.zone)),
            tags: Seen::Is(tags_of(&machine.labels.into_iter().collect())?),
            init_command: Seen::Is(machine.startup_script.0.into_bytes()),
            public_key: Seen::Is(machine.ssh_key),
            added_scratch: Seen::Is(ByteSize(0)),
            preemptible: Seen::Is(false),
        })
    }

    async fn interrupt(&self, set: &InstanceSetId, id: &InstanceId, _: Interruption) -> Result<(), Refusal> {
        self.cloud(set).stop(id.as_str());
        Ok(())
    }

    async fn left(&self, set: &InstanceSetId) -> Result<Vec<String>, Refusal> {
        Ok(self.cloud(set).machines().into_iter().map(|machine| machine.name).collect())
    }
}

fn tags_of(labels: &HashMap<String, String>) -> Result<Tags, Refusal> {
    let codec = LabelCodec::new("pool", LabelLimits::GCE)?;
    Ok(codec.decode(labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))))
}

fn cloud_call(call: Call) -> CloudCall {
    match call {
        Call::Create => CloudCall::Insert,
        Call::List => CloudCall::List,
        Call::SetTags => CloudCall::SetLabels,
        Call::Destroy => CloudCall::Delete,
    }
}

/// What the provider says when this goes wrong.
fn refusal(failure: Failure) -> Result<CloudRefusal, Refusal> {
    let everything = FailureScope::new(Reach::All, PlacementReach::Every);
    let type_here = FailureScope::new(Reach::InstanceType, PlacementReach::This);
    let code = match failure {
        Failure::Quota(scope) if scope == everything => "quotaExceeded",
        Failure::Capacity(scope) if scope == type_here => "zoneExhausted",
        Failure::Quota(_) | Failure::Capacity(_) => {
            return Err(Refusal::excluded(
                "this provider knows a quota of the account and capacity of a type in a zone",
            ));
        }
        Failure::RateLimit { .. } => "rateLimited",
        Failure::Auth => "unauthorized",
        Failure::InvalidRequest => "invalid",
        Failure::NotFound => "notFound",
        Failure::ServerError(_) => "internal",
        _ => return Err(Refusal::excluded(NO_WIRE)),
    };
    let mut refusal = CloudRefusal::new(code, MESSAGE);
    if let Failure::RateLimit { retry_after } = failure {
        refusal.retry_after = retry_after.map(|time| time.as_secs());
    }
    Ok(refusal)
}
