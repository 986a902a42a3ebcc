//! The loopback as the suite sees it.

use super::faults;
use async_trait::async_trait;
use driver_loopback::{LoopbackConfig, LoopbackInstanceSet};
use executor_ssh::{PrivateKey, SshConfig, SshExecutor};
use pool_api::{
    Architecture, ByteSize, Cpus, DriverContext, Executor, HostVerifier, HourlyPrice, ImageId, InstanceId,
    InstanceSetId, InstanceType, InstanceTypeName, Placement, ProviderType, QuotaGroup, Target,
};
use pool_conformance::{
    Created, Fault, Fixtures, Harness, Interruption, Missing, Opened, Reach, Refusal, Seen, Settings,
};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::Duration,
};
use tempfile::TempDir;

/// So that an init command stays to be looked at.
const NEVER_BOOTS: Duration = Duration::from_secs(3600);

pub(crate) struct LoopbackHarness {
    prepared: OnceLock<Prepared>,
    ssh: Arc<SshConfig>,
    /// The sets that are open, for what the provider does to their instances.
    open: Mutex<HashMap<InstanceSetId, Weak<LoopbackInstanceSet>>>,
}

struct Prepared {
    /// Removed with all that is in it, when the run is over.
    dir: TempDir,
    config: LoopbackConfig,
}

impl LoopbackHarness {
    pub(crate) fn new() -> Self {
        Self {
            prepared: OnceLock::new(),
            ssh: Arc::new(SshConfig::new(PrivateKey::generate())),
            open: Mutex::default(),
        }
    }

    fn prepared(&self) -> Result<&Prepared, Refusal> {
        self.prepared.get().ok_or_else(|| Refusal::broken("the harness was not prepared"))
    }

    /// The state directory of a set: a short name, because sockets of instances are below it.
    fn state_dir(&self, set: &InstanceSetId) -> Result<PathBuf, Refusal> {
        Ok(self.prepared()?.dir.path().join(set.as_str()))
    }
}

/// The configuration of the operator, or one with two placements and a group.
fn config(settings: &Settings) -> Result<LoopbackConfig, Missing> {
    if let Some(path) = &settings.config {
        let text = fs::read_to_string(path)
            .map_err(|error| Missing(format!("cannot read {}: {error}", path.display())))?;
        let table: toml::Table =
            text.parse().map_err(|error| Missing(format!("{}: {error}", path.display())))?;
        return Ok(LoopbackConfig::from_value(serde_json::to_value(table)?)?);
    }
    Ok(LoopbackConfig {
        boot_time: if settings.live { Duration::ZERO } else { NEVER_BOOTS },
        placements: vec![Placement::new("a"), Placement::new("b")],
        quota_groups: [(provider_type(), QuotaGroup::new("conformance")?)].into(),
        ..LoopbackConfig::default()
    })
}

#[expect(clippy::expect_used, reason = "a constant that keeps the rule")]
fn provider_type() -> ProviderType {
    ProviderType::new("loop.small").expect("a valid name")
}

#[expect(clippy::expect_used, reason = "constants that keep the rule")]
fn instance_type(name: &str) -> InstanceType {
    InstanceType {
        name: InstanceTypeName::new(name).expect("a valid name"),
        provider_type: provider_type(),
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
impl Harness for LoopbackHarness {
    fn driver(&self) -> &str {
        "loopback"
    }

    async fn prepare(&self, settings: &Settings) -> Result<(), Missing> {
        let prepared =
            Prepared { dir: tempfile::Builder::new().prefix("lc").tempdir()?, config: config(settings)? };
        self.prepared.set(prepared).map_err(|_| Missing("the harness was prepared twice".to_owned()))
    }

    fn fixtures(&self) -> Fixtures {
        Fixtures {
            instance_type: instance_type("small"),
            scratch_type: Some(InstanceType { added_scratch: ByteSize::gib(2), ..instance_type("scratch") }),
            preemptible_type: Some(InstanceType { preemptible: true, ..instance_type("spot") }),
            image: ImageId::new("image-1").ok(),
            public_key: self.ssh.key.public_key(),
            call_limit: Duration::from_secs(20),
            change_limit: Duration::from_secs(20),
            boot_limit: Duration::from_secs(20),
            many: 50,
        }
    }

    async fn open(&self, set: &InstanceSetId, faults: &[Fault]) -> Result<Opened, Refusal> {
        let mut config = self.prepared()?.config.clone();
        let placement = config.placements[0].clone();
        for fault in faults {
            faults::add(&mut config, fault, &instance_type("small"), &placement)?;
        }
        let context = DriverContext { instance_set: set.clone(), state_dir: self.state_dir(set)? };
        let opened = Arc::new(LoopbackInstanceSet::open(config, context).await?);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(set.clone(), Arc::downgrade(&opened));
        Ok(Opened::new(opened))
    }

    fn message(&self, fault: &Fault) -> String {
        faults::message(fault.failure).to_owned()
    }

    async fn inspect(&self, set: &InstanceSetId, id: &InstanceId) -> Result<Created, Refusal> {
        let dir = self.state_dir(set)?.join(id.as_str());
        let record: serde_json::Value = serde_json::from_slice(&fs::read(dir.join("instance.json"))?)?;
        Ok(Created {
            provider_type: Seen::Is(field(&record, "provider_type")?),
            image: Seen::Is(field(&record, "image")?),
            placement: Seen::Is(field(&record, "placement")?),
            tags: Seen::Is(field(&record, "tags")?),
            init_command: match fs::read(dir.join("init")) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Seen::Hidden("an instance that has booted has removed its init command")
                }
                script => Seen::Is(script?),
            },
            public_key: Seen::Is(fs::read_to_string(dir.join("authorized_keys"))?),
            added_scratch: Seen::Is(ByteSize(field(&record, "added_scratch")?)),
            preemptible: Seen::Is(field(&record, "preemptible")?),
        })
    }

    async fn interrupt(
        &self,
        set: &InstanceSetId,
        id: &InstanceId,
        _interruption: Interruption,
    ) -> Result<(), Refusal> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(set).and_then(Weak::upgrade);
        open.ok_or_else(|| Refusal::broken("the set is not open"))?.preempt(id);
        Ok(())
    }

    async fn left(&self, set: &InstanceSetId) -> Result<Vec<String>, Refusal> {
        let dir = self.state_dir(set)?;
        let mut left = processes_of(&dir)?;
        match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            entries => {
                for entry in entries? {
                    let name = entry?.file_name().to_string_lossy().into_owned();
                    if name.starts_with("i-") {
                        left.push(format!("the directory of {name}"));
                    }
                }
            }
        }
        Ok(left)
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.ssh.key.to_openssh().expose_secret().to_owned()]
    }

    fn reach(&self) -> Result<Arc<dyn Reach>, Refusal> {
        Ok(Arc::new(OverSsh(Arc::clone(&self.ssh))))
    }
}

fn field<T: DeserializeOwned>(record: &serde_json::Value, name: &str) -> Result<T, Refusal> {
    Ok(serde_json::from_value(record.get(name).cloned().unwrap_or_default())?)
}

/// Processes that carry the mark of an instance below this directory in their environment.
fn processes_of(dir: &Path) -> io::Result<Vec<String>> {
    let mark = format!("POOL_LOOPBACK_INSTANCE={}/", dir.display());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        // A process may be another user's, or gone by now.
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        if environment.windows(mark.len()).any(|part| part == mark.as_bytes()) {
            found.push(format!("the process {}", path.display()));
        }
    }
    Ok(found)
}

struct OverSsh(Arc<SshConfig>);

impl Reach for OverSsh {
    fn executor(&self, target: Target, verifier: Arc<dyn HostVerifier>) -> Arc<dyn Executor> {
        Arc::new(SshExecutor::new(Arc::clone(&self.0), Some(target), verifier))
    }
}
