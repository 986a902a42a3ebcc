//! The stand-in as its owner sees it.

use crate::{
    CreateFailure, Exchange, Refusal, Settings,
    http::{Kind, Shared, serve},
};
use serde_json::{Map, Value};
use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
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
        let shared = Shared::new(settings, format!("http://{address}"), runtime.handle().clone());
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let run = move || run(&runtime, listener, served, stopped);
        let thread = thread::Builder::new().name("azure-fake".into()).spawn(run)?;
        Ok(Fake { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint for a client, of the Resource Manager and of the tokens: `http://127.0.0.1:8087`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request with its response, in the order in which the requests came. Those for tokens have no
    /// request body here: it has a secret.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.exchanges.all()
    }

    /// The machines, as the API shows them with the views of their instances, and with what it never shows:
    /// the custom data as they were given, as `fakeCustomData`.
    #[must_use]
    pub fn machines(&self) -> Vec<Value> {
        self.shared.cloud(|cloud| cloud.seen_machines())
    }

    /// The machine with this name, in whatever group; see [`Fake::machines`].
    #[must_use]
    pub fn machine(&self, name: &str) -> Option<Value> {
        self.shared.cloud(|cloud| cloud.seen_machine(name))
    }

    /// Changes a machine without a call: what the API shows, without the view of the instance. `false` if
    /// there is none with this name.
    pub fn change_machine(&self, name: &str, change: impl FnOnce(&mut Value)) -> bool {
        self.shared.cloud(|cloud| cloud.change_machine(name, change))
    }

    /// The network interfaces, as the API shows them.
    #[must_use]
    pub fn interfaces(&self) -> Vec<Value> {
        self.shared.cloud(|cloud| cloud.seen_parts(Kind::Interface))
    }

    /// The disks, as the API shows them.
    #[must_use]
    pub fn disks(&self) -> Vec<Value> {
        self.shared.cloud(|cloud| cloud.seen_parts(Kind::Disk))
    }

    /// The public addresses, as the API shows them.
    #[must_use]
    pub fn public_addresses(&self) -> Vec<Value> {
        self.shared.cloud(|cloud| cloud.seen_parts(Kind::Address))
    }

    /// Evicts a Spot machine: it is deallocated, or deleted, as its policy says, and that takes as long as
    /// any operation. `false` if there is no Spot machine with this name.
    pub fn evict(&self, name: &str) -> bool {
        self.shared.cloud(|cloud| cloud.evict(name))
    }

    /// Deallocates a machine, as somebody at the portal does. `false` if there is none with this name.
    pub fn deallocate(&self, name: &str) -> bool {
        self.shared.cloud(|cloud| cloud.bring_to(name, "deallocating", "deallocated"))
    }

    /// Lets a machine be shut down by its guest: it stops, and keeps its place. `false` if there is none with
    /// this name.
    pub fn shut_down(&self, name: &str) -> bool {
        self.shared.cloud(|cloud| cloud.bring_to(name, "stopping", "stopped"))
    }

    /// Makes a network interface that no machine uses.
    pub fn add_interface<K: Into<String>, V: Into<String>>(
        &self,
        group: &str,
        name: &str,
        tags: impl IntoIterator<Item = (K, V)>,
    ) {
        let tags = to_tags(tags);
        self.shared.cloud(|cloud| cloud.add_interface(group, name, tags));
    }

    /// Makes a disk that no machine uses, as if it had been made at this time.
    pub fn add_disk<K: Into<String>, V: Into<String>>(
        &self,
        group: &str,
        name: &str,
        tags: impl IntoIterator<Item = (K, V)>,
        created: SystemTime,
    ) {
        let tags = to_tags(tags);
        self.shared.cloud(|cloud| cloud.add_disk(group, name, tags, created));
    }

    /// Limits the cores of a family of sizes such as `standardDSv3Family`, of all (`all`), or of Spot
    /// machines (`lowPriorityCores`). Without a limit there is none.
    pub fn set_quota(&self, family: &str, limit: u32) {
        self.shared.cloud(|cloud| cloud.set_quota(family, limit));
    }

    /// Lets new machines fail, or no longer.
    pub fn fail_creates(&self, failure: Option<CreateFailure>) {
        self.shared.cloud(|cloud| cloud.fail_creates(failure));
    }

    /// Refuses the next calls of the Resource Manager, whatever they are.
    pub fn refuse_calls(&self, refusal: Refusal, count: usize) {
        self.shared.cloud(|cloud| cloud.refuse_calls(refusal, count));
    }

    /// Lets all tokens that have been issued be expired.
    pub fn expire_tokens(&self) {
        self.shared.expire_tokens();
    }

    /// Lets operations that start from now on take so long.
    pub fn set_operation_time(&self, time: Duration) {
        self.shared.cloud(|cloud| cloud.set_operation_time(time));
    }

    /// Blocks until no operation is under way.
    pub fn settle(&self) {
        self.shared.settle();
    }
}

fn to_tags<K: Into<String>, V: Into<String>>(tags: impl IntoIterator<Item = (K, V)>) -> Map<String, Value> {
    tags.into_iter().map(|(key, value)| (key.into(), Value::String(value.into()))).collect()
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
