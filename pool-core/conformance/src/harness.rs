//! What a driver supplies so that it can be tried.

use crate::{Call, Fault};
use async_trait::async_trait;
use pool_api::{
    ByteSize, Executor, HostVerifier, ImageId, InstanceId, InstanceSet, InstanceSetId, InstanceType,
    Placement, ProviderType, PublicKey, Tags, Target,
};
use std::{error::Error, fmt, path::PathBuf, sync::Arc, time::Duration};

/// How the run was asked for, as far as a harness must know.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// A real account: nothing may stand between it and the driver, and instances cost money.
    pub live: bool,
    /// The operator's own configuration of the driver, for a real account.
    pub config: Option<PathBuf>,
}

/// Something without which the suite cannot run at all, for people: what it is and how to get it.
///
/// Not an [`Error`], so that any error can become one with `?`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Missing(pub String);

impl<E: Error> From<E> for Missing {
    fn from(error: E) -> Self {
        Self(crate::stop::chain(&error))
    }
}

/// Why a harness does not do what a trial asks for.
///
/// Not an [`Error`], so that any error can become one with `?`: it is then [`Broken`](Self::Broken).
#[derive(Debug)]
pub enum Refusal {
    /// It cannot, with this provider: the trial is excluded, and the text says why.
    Excluded(String),
    /// It should have been able to: the trial fails.
    Broken(String),
}

impl Refusal {
    /// It cannot, and why.
    pub fn excluded(why: impl fmt::Display) -> Self {
        Self::Excluded(why.to_string())
    }

    /// It should have been able to, and why it was not.
    pub fn broken(why: impl fmt::Display) -> Self {
        Self::Broken(why.to_string())
    }
}

impl<E: Error> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Broken(crate::stop::chain(&error))
    }
}

/// What to create instances of.
#[derive(Clone, Debug)]
pub struct Fixtures {
    /// A plain type, on demand, without added scratch. The cheapest that boots.
    pub instance_type: InstanceType,
    /// One with added scratch, if there is any.
    pub scratch_type: Option<InstanceType>,
    /// One that is preemptible, if there is any.
    pub preemptible_type: Option<InstanceType>,
    /// What to boot from, where the driver has no default.
    pub image: Option<ImageId>,
    /// Who may log in. In live mode, the key of [`Harness::reach`].
    pub public_key: PublicKey,
    /// From the beginning of any call to its end, also when the provider hangs: the driver's own limit, hurried, and a
    /// little more.
    pub call_limit: Duration,
    /// From the end of a destroy until the instance is no longer listed, or from an interruption until it shows.
    pub change_limit: Duration,
    /// From the end of a create until a command can be run. For live mode.
    pub boot_limit: Duration,
    /// How many instances to create at once, 50 if money is no object.
    pub many: usize,
}

/// What a harness can see of something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen<T> {
    /// This.
    Is(T),
    /// It cannot, and why: what needs it is excluded.
    Hidden(&'static str),
}

/// An instance as the cloud has it, seen without the driver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Created {
    /// Its type.
    pub provider_type: Seen<ProviderType>,
    /// What it boots from.
    pub image: Seen<Option<ImageId>>,
    /// Where it is.
    pub placement: Seen<Placement>,
    /// All its tags, the driver's own too.
    pub tags: Seen<Tags>,
    /// The script that it runs at first boot, without what the driver has put around it.
    pub init_command: Seen<Vec<u8>>,
    /// Who may log in: `ssh-ed25519 AAAA…`, a comment may be missing.
    pub public_key: Seen<String>,
    /// The disk that was added for scratch, of at least the size that was asked for; zero if there is none.
    pub added_scratch: Seen<ByteSize>,
    /// Whether it is spot or preemptible.
    pub preemptible: Seen<bool>,
}

/// What the provider does to an instance on its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Interruption {
    /// Someone stops it with the provider's own tools.
    Stop,
    /// The provider takes it away, and the instance stays in the list for a while at least.
    Preempt,
}

/// An instance set that was opened for a trial.
pub struct Opened {
    /// The driver's.
    pub set: Arc<dyn InstanceSet>,
    /// How many requests of this call's kind have reached the provider, or what stands before it, since it was opened;
    /// none where that cannot be seen. Two for one call is a retry.
    pub requests: Option<Arc<dyn Fn(Call) -> usize + Send + Sync>>,
}

impl Opened {
    /// A set between which and the provider nothing can be seen.
    pub fn new(set: Arc<dyn InstanceSet>) -> Self {
        Self { set, requests: None }
    }

    /// The same, with a way to count requests.
    #[must_use]
    pub fn counting(mut self, requests: impl Fn(Call) -> usize + Send + Sync + 'static) -> Self {
        self.requests = Some(Arc::new(requests));
        self
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened")
    }
}

/// How to reach instances, for live mode.
pub trait Reach: Send + Sync + 'static {
    /// An executor that connects when it is first used.
    fn executor(&self, target: Target, verifier: Arc<dyn HostVerifier>) -> Arc<dyn Executor>;
}

impl<F> Reach for F
where
    F: Fn(Target, Arc<dyn HostVerifier>) -> Arc<dyn Executor> + Send + Sync + 'static,
{
    fn executor(&self, target: Target, verifier: Arc<dyn HostVerifier>) -> Arc<dyn Executor> {
        self(target, verifier)
    }
}

/// What a driver supplies so that it can be tried. Many trials use it at the same time.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// The driver's name, as in a configuration.
    fn driver(&self) -> &str;

    /// Called once, before anything else of the run, unless nothing is run. Starts what stands in for the provider.
    ///
    /// # Errors
    /// [`Missing`] when something is not there that only a human can get. The run ends with exit code 3.
    async fn prepare(&self, settings: &Settings) -> Result<(), Missing>;

    /// What to create instances of. Asked after [`prepare`](Self::prepare).
    fn fixtures(&self) -> Fixtures;

    /// Opens an instance set as a process does that has just started, with these faults from now on.
    ///
    /// The same id may be opened again after the set was stopped: the instances are still there then. Two ids are two
    /// sets in the same account.
    ///
    /// # Errors
    /// [`Refusal`]; excluded when one of the faults cannot be had.
    async fn open(&self, set: &InstanceSetId, faults: &[Fault]) -> Result<Opened, Refusal>;

    /// A part of the provider's own message when this fault happens, which the driver's error must keep.
    fn message(&self, fault: &Fault) -> String;

    /// An instance as the cloud has it.
    ///
    /// # Errors
    /// [`Refusal`]; broken when there is no such instance.
    async fn inspect(&self, set: &InstanceSetId, id: &InstanceId) -> Result<Created, Refusal>;

    /// Does to an instance what the provider or another human might do.
    ///
    /// # Errors
    /// [`Refusal`].
    async fn interrupt(
        &self,
        set: &InstanceSetId,
        id: &InstanceId,
        interruption: Interruption,
    ) -> Result<(), Refusal>;

    /// Makes what a create leaves behind that failed half-way (an interface, a disk) for a set, and says what it is, or
    /// makes the next create do so.
    ///
    /// # Errors
    /// [`Refusal`].
    async fn leave_behind(&self, _set: &InstanceSetId) -> Result<String, Refusal> {
        Err(Refusal::excluded("a create of this provider is one step: it leaves nothing behind"))
    }

    /// All that is in the cloud now of what this set has made, one text for each thing. What the driver is meant to
    /// keep (a key pair that the next instance uses again) is left out.
    ///
    /// # Errors
    /// [`Refusal`]; excluded where that cannot be seen without the driver.
    async fn left(&self, set: &InstanceSetId) -> Result<Vec<String>, Refusal>;

    /// What is wrong with the requests of the run by the provider's own description of its API, one text for each problem.
    /// Asked once, after all trials.
    ///
    /// # Errors
    /// [`Refusal`]; excluded where there is no such description.
    async fn faulty_requests(&self) -> Result<Vec<String>, Refusal> {
        Err(Refusal::excluded("there is no description of the provider's API to hold requests against"))
    }

    /// Texts that must be in no log line and in no error: credentials, private keys.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// How to reach instances, for live mode.
    ///
    /// # Errors
    /// [`Refusal`]; excluded where there is no machine behind an instance.
    fn reach(&self) -> Result<Arc<dyn Reach>, Refusal> {
        Err(Refusal::excluded("there is no machine behind an instance"))
    }

    /// Called once after all trials, also when some have failed. Ends what [`prepare`](Self::prepare) has started.
    async fn finish(&self) {}
}
