//! The machines of all instances: one is booted for each that EC2 lists, and ends when its instance does.

use crate::machine::Machine;
use aws_sdk_ec2::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::{Filter, InstanceAttributeName, Reservation},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Ends with all its machines when it is dropped.
pub(crate) struct Park {
    stopping: Arc<AtomicBool>,
    booted: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

/// An account on moto's server, without the driver.
pub(crate) fn account(server: SocketAddr) -> Client {
    let config = aws_sdk_ec2::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(format!("http://{server}"))
        .credentials_provider(Credentials::from_keys("AKIAEXAMPLE", "hunter2", None))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

impl Park {
    /// In a thread of its own.
    pub(crate) fn open(server: SocketAddr, dir: PathBuf) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stopping, booted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stop, count) = (Arc::clone(&stopping), Arc::clone(&booted));
        let thread = thread::spawn(move || {
            let account = account(server);
            let mut machines = BTreeMap::new();
            while !stop.load(Ordering::Relaxed) {
                if let Err(error) = runtime.block_on(follow(&account, &dir, &mut machines, &count)) {
                    eprintln!("the machines cannot follow the instances: {error}");
                }
                // Nothing announces what happens in a cloud.
                thread::sleep(Duration::from_millis(100));
            }
        });
        Ok(Self { stopping, booted, thread: Some(thread) })
    }

    /// How many machines have booted until now.
    pub(crate) fn booted(&self) -> usize {
        self.booted.load(Ordering::Relaxed)
    }
}

impl Drop for Park {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The ids of running instances, with the names of their key pairs.
pub(crate) async fn running(account: &Client) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let filter = Filter::builder().name("instance-state-name").values("running").build();
    let answer = account.describe_instances().filters(filter).send().await?;
    let instances = answer.reservations().iter().flat_map(Reservation::instances);
    Ok(instances
        .filter_map(|instance| {
            Some((instance.instance_id()?.to_owned(), instance.key_name().unwrap_or_default().to_owned()))
        })
        .collect())
}

async fn follow(
    account: &Client,
    dir: &Path,
    machines: &mut BTreeMap<String, Machine>,
    booted: &AtomicUsize,
) -> Result<(), Box<dyn Error>> {
    let running = running(account).await?;
    let ids: BTreeSet<&String> = running.keys().collect();
    machines.retain(|id, _| ids.contains(id));
    for (id, key_name) in &running {
        if machines.contains_key(id) {
            continue;
        }
        let call = account.describe_instance_attribute().instance_id(id);
        let answer = call.attribute(InstanceAttributeName::UserData).send().await?;
        let user_data =
            STANDARD.decode(answer.user_data().and_then(|data| data.value()).unwrap_or_default())?;
        let answer = account.describe_key_pairs().key_names(key_name).include_public_key(true).send().await?;
        let key = answer.key_pairs().iter().find_map(|pair| pair.public_key()).unwrap_or_default();
        machines.insert(id.clone(), Machine::boot(&dir.join(id), &user_data, key)?);
        booted.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
