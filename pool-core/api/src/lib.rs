//! The contract of an elastic pool of cloud workers.
//!
//! This crate is what a driver depends on, and all that it depends on: traits, the values that they
//! carry, and what each side owes the other. It holds no runtime, no I/O and no decision.
//!
//! * [`Driver`] opens an [`InstanceSet`]; an instance set creates and lists [`Instance`]s.
//! * A driver's errors implement [`CloudError`], which asks of each: [is it about quota](QuotaError),
//!   [about capacity](CapacityError), [about the rate of calls](RateLimitError), and may the call have
//!   [taken effect nevertheless](Effect)? They travel as [`BoxCloudError`].
//! * [`Executor`] reaches an instance and runs commands on it, after its host was verified by a
//!   [`HostVerifier`].
//!
//! # Contract
//! What holds for every driver, whatever its provider does:
//!
//! 1. **A driver never retries and never decides.** Provider SDKs' own retries are off. Which placement,
//!    which type, when to try again: the pool decides that once for all drivers. A driver waits for one
//!    thing only: the end of an operation that the provider has accepted.
//! 2. **[`InstanceSet::instances`] is all or nothing.** One failed page fails the list. Half a list would
//!    destroy jobs.
//! 3. **[`InstanceSet::create`] can be asked again.** Dropping its future, or losing the response, may
//!    still have created the instance; the same [idempotency token](CreateRequest::token) makes no second
//!    one where [`Capabilities::idempotency`] says so.
//! 4. **[`Instance::destroy`] is idempotent.** Destroying what is gone is success.
//! 5. **Other sets' instances are neither returned nor touched.**
//! 6. **Secrets** (credentials, keys, init commands) appear in no log, error or `Debug`.
//!
//! `pool-core` re-exports all of this, so that who uses the pool never needs to name this crate.

mod driver;
mod driver_error;
mod error;
mod executor;
mod host_key;
mod ids;
mod instance;
mod instance_set;
mod instance_type;
mod job;
mod labels;
mod options;
mod quantities;
mod tag_limits;
mod tags;

pub use driver::{Driver, DriverConfigError, DriverContext};
pub use driver_error::{DriverError, ErrorClass, one_line};
pub use error::{
    BoxCloudError, CapacityError, CloudError, Effect, ErrorKind, FailureScope, PlacementReach, QuotaError,
    RateLimit, RateLimitError, Reach,
};
pub use executor::{
    Channel, ChannelEvent, ChannelReader, ChannelWriter, Command, CommandOutput, Executor, ExecutorError,
    ExitStatus, Target, UnverifiedHost,
};
pub use host_key::{HostKey, HostKeyVerdict, HostVerifier, VerifyError};
pub use ids::{
    IdError, ImageId, InstanceId, InstanceSetId, InstanceTypeName, JobGroup, JobId, Placement, ProviderType,
    QuotaGroup, RunId,
};
pub use instance::{Instance, Lifecycle, PriceChange, Privilege, RemoteUser};
pub use instance_set::{
    Capabilities, CreateRequest, DEFAULT_ROOT, Idempotency, IdempotencyToken, InitCommand, InstanceSet,
    PublicKey, ROOT_VARIABLE,
};
pub use instance_type::{Architecture, InstanceType};
pub use job::{JobSpec, Resources};
pub use labels::{LabelCodec, LabelError, LabelLimits};
pub use quantities::{ByteSize, Cpus, HourlyPrice, QuantityError};
pub use tag_limits::{TagError, TagLimits};
pub use tags::Tags;
