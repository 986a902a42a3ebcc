//! The stand-in as its owner sees it.

use crate::{
    Exchange, Refusal, Settings,
    http::{Shared, serve},
};
use serde_json::Value;
use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
};

/// A running stand-in. It has a thread of its own, and ends when it is dropped.
pub struct Fake {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Ends the thread when it is dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    /// Starts one on a free port of this machine.
    ///
    /// # Errors
    ///
    /// If there is no port, or no thread.
    pub fn start(settings: Settings) -> io::Result<Fake> {
        Self::start_on(settings, (Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Starts one on this address.
    ///
    /// # Errors
    ///
    /// If the address is not to be had, or there is no thread.
    pub fn start_on(settings: Settings, address: SocketAddr) -> io::Result<Fake> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let shared = Shared::new(settings, runtime.handle().clone());
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let run = move || run(&runtime, listener, served, stopped);
        let thread = thread::Builder::new().name("gce-fake".into()).spawn(run)?;
        Ok(Fake { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint for a client: `http://127.0.0.1:8086`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request with its response, in the order in which the requests came.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.exchanges.all()
    }

    /// The instances, as the API shows them.
    #[must_use]
    pub fn instances(&self) -> Vec<Value> {
        self.shared.cloud(|cloud| cloud.instances())
    }

    /// The instance with this name, in whatever zone.
    #[must_use]
    pub fn instance(&self, name: &str) -> Option<Value> {
        self.shared.cloud(|cloud| cloud.instance_anywhere(name))
    }

    /// Changes an instance without a call. `false` if there is none with this name.
    pub fn change_instance(&self, name: &str, change: impl FnOnce(&mut Value)) -> bool {
        self.shared.cloud(|cloud| cloud.change_instance(name, change))
    }

    /// Takes a Spot instance's machine away: it stops, or is deleted, as its scheduling says. `false` if
    /// there is none with this name.
    pub fn preempt(&self, name: &str) -> bool {
        self.shared.cloud(|cloud| cloud.terminate(name, "compute.instances.preempted"))
    }

    /// The disks, as the API shows them.
    #[must_use]
    pub fn disks(&self) -> Vec<Value> {
        self.shared.cloud(|cloud| cloud.disks())
    }

    /// Writes a guest attribute as the instance's guest would. It is shown only if the instance's metadata
    /// say `enable-guest-attributes`.
    pub fn set_guest_attribute(&self, instance: &str, namespace: &str, key: &str, value: &str) {
        self.shared.cloud(|cloud| cloud.set_guest_attribute(instance, namespace, key, value));
    }

    /// Limits a metric of a region, such as `CPUS`, `N2_CPUS`, `PREEMPTIBLE_CPUS`, `INSTANCES` and
    /// `IN_USE_ADDRESSES`, or `CPUS_ALL_REGIONS` of the region `global`. Without a limit there is none.
    pub fn set_quota(&self, region: &str, metric: &str, limit: f64) {
        self.shared.cloud(|cloud| cloud.set_quota(region, metric, limit));
    }

    /// Leaves no capacity in a zone for a machine type, or for any, or gives it back.
    pub fn set_full(&self, zone: &str, machine_type: Option<&str>, full: bool) {
        self.shared.cloud(|cloud| cloud.set_full(zone, machine_type, full));
    }

    /// Lets a zone answer no more, or again.
    pub fn set_unreachable(&self, zone: &str, unreachable: bool) {
        self.shared.cloud(|cloud| cloud.set_unreachable(zone, unreachable));
    }

    /// Refuses the next calls, whatever they are.
    pub fn refuse_calls(&self, refusal: Refusal, count: usize) {
        self.shared.cloud(|cloud| cloud.refuse_calls(refusal, count));
    }

    /// Lets operations that start from now on take so long.
    pub fn set_operation_time(&self, time: Duration) {
        self.shared.cloud(|cloud| cloud.set_operation_time(time));
    }
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fake").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A thread that has panicked has said so already.
        self.thread.take().map(JoinHandle::join);
    }
}

/// Answers until told to stop. The connections that are open then end with the runtime.
fn run(runtime: &Runtime, listener: TcpListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    runtime.block_on(async {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        tokio::select! {
            _ = serve(listener, shared) => {}
            _ = stopped => {}
        }
    });
}
