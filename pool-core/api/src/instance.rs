//! One machine, as the provider described it when it was listed or created.

use crate::{BoxCloudError, HostKey, HostKeyVerdict, HourlyPrice, InstanceId, Placement, ProviderType, Tags};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{fmt, time::SystemTime};

/// What the provider says of an instance's existence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    /// Accepted, not running yet.
    Pending,
    /// Running, as far as the provider knows.
    Running,
    /// On its way to stopped or gone. Its jobs may still run: it is not gone.
    Stopping,
    /// Stopped, deallocated or preempted, but still there (and often still paid for). The pool destroys it.
    Stopped,
    /// Its creation failed, and something remains that must be destroyed.
    Failed,
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        })
    }
}

/// How a remote user comes to the rights that the runner needs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privilege {
    /// The user has them (root, or the loopback's one user).
    #[default]
    Own,
    /// Through `sudo -n`: the image lets the user do so without a password.
    Sudo,
}

/// Whom to log in as.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct RemoteUser {
    /// The login name.
    pub name: String,
    /// How it comes to the rights that the runner needs.
    #[serde(default)]
    pub privilege: Privilege,
}

/// From when on an instance costs how much: spot prices change while an instance lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PriceChange {
    /// When this price began.
    pub since: SystemTime,
    /// The price from then on.
    pub price: HourlyPrice,
}

/// One machine of an instance set, as it was when the list or create that returned it was answered.
///
/// The getters return what was known then; only the `async` methods call the provider.
#[async_trait]
pub trait Instance: fmt::Debug + Send + Sync + 'static {
    /// The provider's identifier.
    fn id(&self) -> &InstanceId;

    /// The provider's type.
    fn provider_type(&self) -> &ProviderType;

    /// Where it is.
    fn placement(&self) -> &Placement;

    /// Host or host and port (`10.0.0.7`, `127.0.0.1:2201`, `[::1]:22`) to reach it at; none while the
    /// provider has not said.
    fn address(&self) -> Option<&str>;

    /// Whom to log in as.
    fn remote_user(&self) -> RemoteUser;

    /// Its tags. They may be older than the last ones saved: providers' lists lag.
    fn tags(&self) -> &Tags;

    /// What the provider says of its existence.
    fn lifecycle(&self) -> Lifecycle;

    /// When the provider says that it was created; none where it does not say.
    fn created(&self) -> Option<SystemTime>;

    /// The directory on the machine for the secret, the runner, its socket and the jobs; it must survive a
    /// reboot. [`DEFAULT_ROOT`](crate::DEFAULT_ROOT) on a machine of its own.
    fn root(&self) -> &str {
        crate::DEFAULT_ROOT
    }

    /// The command with which the machine ends itself when it is orphaned; none where the machine is
    /// shared with others (the loopback) and must never be touched.
    fn power_off(&self) -> Option<&str> {
        Some("/sbin/poweroff")
    }

    /// What it has cost since it was created, oldest first. Empty: the configured price holds.
    fn price_history(&self) -> Vec<PriceChange> {
        Vec::new()
    }

    /// Saves tags beside those that are there; names that are there get the new value.
    ///
    /// # Errors
    /// Any [`CloudError`](crate::CloudError); "not found" when the instance is gone.
    ///
    /// # Idempotency and cancel safety
    /// Saving the same tags twice is the same as once. Dropping the future may or may not have saved them.
    ///
    /// # Providers
    /// EC2 sets tags in one call; GCE replaces all metadata guarded by a fingerprint (a conflict is a
    /// transient error); on Azure it is a PATCH.
    async fn set_tags(&self, tags: &Tags) -> Result<(), BoxCloudError>;

    /// Asks the provider to destroy the instance with its disks and interfaces. `Ok` means that the
    /// provider has accepted, not that it is gone: the list shows that.
    ///
    /// # Errors
    /// Any [`CloudError`](crate::CloudError), but not "not found": destroying what is gone is success.
    ///
    /// # Idempotency and cancel safety
    /// May be called any number of times, at any state. Dropping the future may or may not have
    /// destroyed the instance.
    async fn destroy(&self) -> Result<(), BoxCloudError>;

    /// Asks the provider whether a host key is this instance's.
    ///
    /// # Errors
    /// Any [`CloudError`](crate::CloudError): the answer is then not known, and the host is not trusted.
    ///
    /// # Cancel safety
    /// Changes nothing; may be dropped at any time.
    async fn verify_host_key(&self, key: &HostKey) -> Result<HostKeyVerdict, BoxCloudError>;
}
