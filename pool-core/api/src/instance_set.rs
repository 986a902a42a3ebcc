//! The instances of one pool in one cloud.

use crate::{BoxCloudError, ImageId, Instance, InstanceType, Placement, QuotaGroup, TagLimits, Tags};
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use std::{fmt, sync::Arc, time::Duration};

/// [`Instance::root`](crate::Instance::root) on a machine that is the pool's alone.
pub const DEFAULT_ROOT: &str = "/var/lib/pool-worker";

/// The environment variable that tells the init command the instance's root where that is not
/// [`DEFAULT_ROOT`]: a driver whose instances share one file system must set it.
pub const ROOT_VARIABLE: &str = "POOL_WORKER_ROOT";

/// Names one create, however often it is asked for. 32 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IdempotencyToken(Arc<str>);

impl IdempotencyToken {
    /// From 128 random bits.
    pub fn from_bits(bits: u128) -> Self {
        Self(format!("{bits:032x}").into())
    }

    /// The digits. EC2's client tokens and resource names take them as they are.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In the form of a random UUID (RFC 9562, version 4), which GCE's request ids must have.
    pub fn to_uuid(&self) -> String {
        let bits = u128::from_str_radix(&self.0, 16).unwrap_or_default();
        let version_4 = (bits & !(0xf << 76) & !(0b11 << 62)) | (4 << 76) | (0b10 << 62);
        let digits = format!("{version_4:032x}");
        [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
    }
}

impl fmt::Display for IdempotencyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The POSIX shell script that an instance runs once, as root, when it first boots.
///
/// It stores the instance's secret, so `Debug` does not show it.
#[derive(Clone)]
pub struct InitCommand(SecretString);

impl InitCommand {
    /// A shell script, without a `#!` line.
    pub fn new(script: String) -> Self {
        Self(script.into())
    }

    /// The script, for the provider alone: never log it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for InitCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InitCommand({} bytes, not shown)", self.expose().len())
    }
}

/// The key that the pool logs in with, in OpenSSH's one-line form (`ssh-ed25519 AAAA… comment`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey(pub String);

/// Everything that a new instance needs.
#[derive(Clone, Debug)]
pub struct CreateRequest {
    /// What kind of machine.
    pub instance_type: Arc<InstanceType>,
    /// What it boots from; none where the driver has a default.
    pub image: Option<ImageId>,
    /// Where: one of [`InstanceSet::placements`]. A driver never falls back to another.
    pub placement: Placement,
    /// Tags that must be on it from the first moment that it is listed.
    pub tags: Tags,
    /// What it runs once at first boot.
    pub init_command: InitCommand,
    /// Who may log in.
    pub public_key: PublicKey,
    /// The same token, the same instance: see [`Capabilities::idempotency`].
    pub token: IdempotencyToken,
}

/// How a provider recognises a create that it was asked for before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Idempotency {
    /// It keeps the token, for some time (EC2: 24 hours and the life of the instance).
    Token,
    /// The driver makes the instance's unique name from the token: a second create answers with the first's.
    UniqueName,
    /// Not at all. After a lost response the pool lists past the settle time before it asks again, and
    /// destroys duplicates.
    None,
}

/// What a provider can do, as far as the pool must know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// How it recognises a create that it was asked for before.
    pub idempotency: Idempotency,
    /// What tags it can store.
    pub tags: TagLimits,
    /// Spot or preemptible instances.
    pub preemptible: bool,
    /// Scratch disks that are added at creation.
    pub added_scratch: bool,
    /// [`verify_host_key`](crate::Instance::verify_host_key) can answer other than "unsupported".
    pub host_keys: bool,
    /// How long a created or changed instance may be missing from, or stale in, a complete list.
    pub list_settle_time: Duration,
}

/// The instances that carry one instance set's tags.
///
/// Used as `Arc<dyn InstanceSet>`; every method may be called from many tasks at once.
#[async_trait]
pub trait InstanceSet: Send + Sync + 'static {
    /// Creates an instance, and ends when the provider has said yes or no; an operation that takes long is
    /// followed to its end. The instance may be listed before this returns.
    ///
    /// # Errors
    /// Any [`CloudError`](crate::CloudError). [`effect`](crate::CloudError::effect) tells a refusal from a
    /// lost response. What a failed create leaves behind is removed, or shows in the list as
    /// [`Lifecycle::Failed`](crate::Lifecycle::Failed).
    ///
    /// # Idempotency and cancel safety
    /// Asking again with the same token makes no second instance, as far as
    /// [`Capabilities::idempotency`] goes. Dropping the future may still have created it: it is then found by
    /// its tags.
    ///
    /// # Providers
    /// EC2 answers at once. On GCE and Azure capacity and quota errors come out of the operation that the
    /// call started.
    async fn create(&self, request: CreateRequest) -> Result<Arc<dyn Instance>, BoxCloudError>;

    /// Lists every instance whose tags match the filter, whatever its lifecycle, each once.
    ///
    /// # Errors
    /// Any [`CloudError`](crate::CloudError). All or nothing: when one page, zone or region fails, this fails.
    ///
    /// # Cancel safety
    /// Changes nothing; may be dropped at any time.
    ///
    /// # Providers
    /// May lag behind creates, destroys and tags by [`Capabilities::list_settle_time`].
    async fn instances(&self, filter: &Tags) -> Result<Vec<Arc<dyn Instance>>, BoxCloudError>;

    /// Which types share a quota with this one. A pure function of the type and the configuration.
    fn quota_group(&self, instance_type: &InstanceType) -> QuotaGroup;

    /// Where instances can be put, in the operator's order of preference; at least one.
    fn placements(&self) -> Vec<Placement>;

    /// What the provider can do. Constant for the life of the set.
    fn capabilities(&self) -> Capabilities;

    /// Removes what failed creates have left behind: interfaces and disks with this set's tags or names, and
    /// no instance. Called by the pool now and then. Returns how many things were removed.
    ///
    /// # Errors
    /// Any [`CloudError`](crate::CloudError); what was removed before stays removed.
    ///
    /// # Cancel safety
    /// May be dropped at any time; the next call goes on.
    async fn sweep(&self) -> Result<usize, BoxCloudError> {
        Ok(0)
    }

    /// Ends the driver's background work. Destroys no instance; no method is called afterwards.
    ///
    /// # Cancel safety
    /// Must be awaited to its end.
    async fn stop(&self);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_uuid_form() {
        let uuid = IdempotencyToken::from_bits(u128::MAX).to_uuid();
        assert_eq!(uuid, "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_ne!(IdempotencyToken::from_bits(1).to_uuid(), IdempotencyToken::from_bits(2).to_uuid());
    }

    #[test]
    fn an_init_command_is_not_shown() {
        let shown = format!("{:?}", InitCommand::new("echo hunter2".into()));
        assert_eq!(shown, "InitCommand(12 bytes, not shown)");
    }
}
