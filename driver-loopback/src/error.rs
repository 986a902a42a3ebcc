//! What the loopback's "provider" answers when it does not do what it was asked for.

use pool_api::{
    CapacityError, CloudError, Effect, ErrorKind, FailureScope, InstanceId, Placement, PlacementReach,
    ProviderType, QuotaError, QuotaGroup, RateLimit, RateLimitError, Reach,
};
use std::{fmt, io, path::PathBuf, time::Duration};

/// The calls that faults can be configured for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// [`create`](pool_api::InstanceSet::create).
    Create,
    /// [`instances`](pool_api::InstanceSet::instances).
    List,
    /// [`destroy`](pool_api::Instance::destroy).
    Destroy,
    /// [`set_tags`](pool_api::Instance::set_tags).
    SetTags,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::List => "list",
            Self::Destroy => "destroy",
            Self::SetTags => "set_tags",
        })
    }
}

/// Why a call of the loopback driver failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoopbackError {
    /// `faults.quota.instances` is reached.
    #[error("the quota of {limit} instances is reached")]
    AccountQuota {
        /// The quota.
        limit: usize,
    },
    /// A quota of `faults.quota.groups` is reached.
    #[error("the quota of {limit} instances in the group {group} is reached")]
    GroupQuota {
        /// The quota.
        limit: usize,
        /// Of which group.
        group: QuotaGroup,
    },
    /// An entry of `faults.capacity` has no room.
    #[error("there is no machine left{}", Only(provider_type.as_ref(), quota_group.as_ref(), placement.as_ref()))]
    OutOfCapacity {
        /// Of this type; none: not only.
        provider_type: Option<ProviderType>,
        /// Of the types of this group; none: not only.
        quota_group: Option<QuotaGroup>,
        /// In this placement; none: in every.
        placement: Option<Placement>,
    },
    /// Calls came faster than `calls_per_second`.
    #[error("too many calls of {operation}")]
    TooManyCalls {
        /// Which calls.
        operation: Operation,
        /// When the next may come, where the provider says so.
        retry_after: Option<Duration>,
    },
    /// The provider failed (`error_rate`) and did nothing.
    #[error("the provider failed to {operation} and did nothing")]
    Unavailable {
        /// What it was asked for.
        operation: Operation,
    },
    /// No answer came: the request or the response was lost.
    #[error("no answer to {operation}")]
    NoAnswer {
        /// What the provider was asked for.
        operation: Operation,
    },
    /// The create with this token has been answered before, and its instance is gone. Nothing was made.
    #[error("the token has made instance {id}, which is gone: another instance needs another token")]
    TokenUsed {
        /// The instance that is gone.
        id: InstanceId,
    },
    /// The placement is none of those that are configured.
    #[error("{placement} is none of the placements")]
    UnknownPlacement {
        /// What was asked for.
        placement: Placement,
    },
    /// The tags are too many or too long.
    #[error("the tag {name:?} {problem}")]
    BadTag {
        /// The tag's name, cut to 80 characters.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The public key is none.
    #[error("the public key is not in OpenSSH's form")]
    BadPublicKey(#[source] russh::keys::ssh_key::Error),
    /// There is no such instance, or no longer.
    #[error("there is no instance {id}")]
    NoSuchInstance {
        /// Which.
        id: InstanceId,
    },
    /// A file or directory of an instance could not be made, read or removed.
    #[error("cannot {what} {}", path.display())]
    Storage {
        /// What was tried: `write`, `create`, `remove`.
        what: &'static str,
        /// Which file or directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Processes of the instance are still there after the kernel was asked to kill them for a while.
    #[error("processes of instance {id} do not end: {pids:?}")]
    StillRunning {
        /// Which instance.
        id: InstanceId,
        /// Which processes.
        pids: Vec<u32>,
    },
    /// [`stop`](pool_api::InstanceSet::stop) was called, or the instance set was dropped.
    #[error("the loopback driver was stopped")]
    Stopped,
}

/// The end of a sentence that says what only is meant.
struct Only<'a>(Option<&'a ProviderType>, Option<&'a QuotaGroup>, Option<&'a Placement>);

impl fmt::Display for Only<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(provider_type) = self.0 {
            write!(f, " of type {provider_type}")?;
        }
        if let Some(group) = self.1 {
            write!(f, " of group {group}")?;
        }
        if let Some(placement) = self.2 {
            write!(f, " in {placement}")?;
        }
        Ok(())
    }
}

impl LoopbackError {
    /// The failure of a file operation.
    pub(crate) fn storage(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Storage { what, path, source }
    }

    /// The one map from what happened to what the pool should make of it.
    fn verdict(&self) -> (ErrorKind, Effect, &'static str) {
        use {Effect::NotDone, ErrorKind as Kind};
        match self {
            Self::AccountQuota { .. } => (Kind::Quota, NotDone, "AccountQuota"),
            Self::GroupQuota { .. } => (Kind::Quota, NotDone, "GroupQuota"),
            Self::OutOfCapacity { .. } => (Kind::Capacity, NotDone, "OutOfCapacity"),
            Self::TooManyCalls { .. } => (Kind::RateLimit, NotDone, "TooManyCalls"),
            Self::Unavailable { .. } => (Kind::Transient, NotDone, "Unavailable"),
            Self::NoAnswer { .. } => (Kind::Transient, Effect::Unknown, "NoAnswer"),
            Self::TokenUsed { .. } => (Kind::Transient, NotDone, "TokenUsed"),
            Self::UnknownPlacement { .. } => (Kind::InvalidRequest, NotDone, "UnknownPlacement"),
            Self::BadTag { .. } => (Kind::InvalidRequest, NotDone, "BadTag"),
            Self::BadPublicKey(_) => (Kind::InvalidRequest, NotDone, "BadPublicKey"),
            Self::NoSuchInstance { .. } => (Kind::NotFound, NotDone, "NoSuchInstance"),
            Self::Storage { .. } => (Kind::Transient, Effect::Unknown, "Storage"),
            Self::StillRunning { .. } => (Kind::Transient, Effect::Unknown, "StillRunning"),
            Self::Stopped => (Kind::Transient, NotDone, "Stopped"),
        }
    }
}

impl QuotaError for LoopbackError {
    fn quota(&self) -> Option<FailureScope> {
        match self {
            Self::AccountQuota { .. } => Some(FailureScope::new(Reach::All, PlacementReach::Every)),
            Self::GroupQuota { .. } => Some(FailureScope::new(Reach::QuotaGroup, PlacementReach::Every)),
            _ => None,
        }
    }
}

impl CapacityError for LoopbackError {
    fn capacity(&self) -> Option<FailureScope> {
        let Self::OutOfCapacity { provider_type, quota_group, placement } = self else { return None };
        let reach = match (provider_type, quota_group) {
            (Some(_), _) => Reach::InstanceType,
            (None, Some(_)) => Reach::QuotaGroup,
            (None, None) => Reach::All,
        };
        let placements = if placement.is_some() { PlacementReach::This } else { PlacementReach::Every };
        Some(FailureScope::new(reach, placements))
    }
}

impl RateLimitError for LoopbackError {
    fn rate_limit(&self) -> Option<RateLimit> {
        match self {
            Self::TooManyCalls { retry_after, .. } => Some(RateLimit { retry_after: *retry_after }),
            _ => None,
        }
    }
}

impl CloudError for LoopbackError {
    fn kind(&self) -> ErrorKind {
        self.verdict().0
    }

    fn effect(&self) -> Effect {
        self.verdict().1
    }

    fn provider_code(&self) -> Option<&str> {
        Some(self.verdict().2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, error::Error};

    #[test]
    fn every_error_has_its_class_effect_and_scope() {
        use {Effect::NotDone, ErrorKind as Kind, PlacementReach::*};
        let scope = |reach, placements| Some(FailureScope::new(reach, placements));
        let provider_type = Some(ProviderType::new("small").unwrap());
        let quota_group = Some(QuotaGroup::new("gpu").unwrap());
        let placement = Some(Placement::new("a"));
        let full = |provider_type, quota_group, placement| LoopbackError::OutOfCapacity {
            provider_type,
            quota_group,
            placement,
        };
        let group = QuotaGroup::new("gpu").unwrap();
        let id = InstanceId::new("i-1").unwrap();
        let operation = Operation::Create;
        let retry_after = Some(Duration::from_secs(3));
        let not_a_key = russh::keys::PublicKey::from_openssh("x").unwrap_err();
        let storage = LoopbackError::storage("write", "/x")(io::Error::other("full"));
        // Error, kind, effect, scope of quota, scope of capacity, text.
        type Row = (LoopbackError, Kind, Effect, Option<FailureScope>, Option<FailureScope>, &'static str);
        let table: Vec<Row> = vec![
            (
                LoopbackError::AccountQuota { limit: 3 },
                Kind::Quota,
                NotDone,
                scope(Reach::All, Every),
                None,
                "the quota of 3 instances is reached",
            ),
            (
                LoopbackError::GroupQuota { limit: 3, group },
                Kind::Quota,
                NotDone,
                scope(Reach::QuotaGroup, Every),
                None,
                "the quota of 3 instances in the group gpu is reached",
            ),
            (
                full(None, None, None),
                Kind::Capacity,
                NotDone,
                None,
                scope(Reach::All, Every),
                "there is no machine left",
            ),
            (
                full(provider_type, None, placement),
                Kind::Capacity,
                NotDone,
                None,
                scope(Reach::InstanceType, This),
                "there is no machine left of type small in a",
            ),
            (
                full(None, quota_group, None),
                Kind::Capacity,
                NotDone,
                None,
                scope(Reach::QuotaGroup, Every),
                "there is no machine left of group gpu",
            ),
            (
                LoopbackError::TooManyCalls { operation, retry_after },
                Kind::RateLimit,
                NotDone,
                None,
                None,
                "too many calls of create",
            ),
            (
                LoopbackError::Unavailable { operation },
                Kind::Transient,
                NotDone,
                None,
                None,
                "the provider failed to create and did nothing",
            ),
            (
                LoopbackError::NoAnswer { operation },
                Kind::Transient,
                Effect::Unknown,
                None,
                None,
                "no answer to create",
            ),
            (
                LoopbackError::TokenUsed { id: "i-1".try_into().unwrap() },
                Kind::Transient,
                NotDone,
                None,
                None,
                "the token has made instance i-1, which is gone: another instance needs another token",
            ),
            (
                LoopbackError::UnknownPlacement { placement: Placement::new("z") },
                Kind::InvalidRequest,
                NotDone,
                None,
                None,
                "z is none of the placements",
            ),
            (
                LoopbackError::BadTag { name: "t".into(), problem: "is one too many" },
                Kind::InvalidRequest,
                NotDone,
                None,
                None,
                "the tag \"t\" is one too many",
            ),
            (
                LoopbackError::BadPublicKey(not_a_key),
                Kind::InvalidRequest,
                NotDone,
                None,
                None,
                "the public key is not in OpenSSH's form",
            ),
            (
                LoopbackError::NoSuchInstance { id: id.clone() },
                Kind::NotFound,
                NotDone,
                None,
                None,
                "there is no instance i-1",
            ),
            (storage, Kind::Transient, Effect::Unknown, None, None, "cannot write /x"),
            (
                LoopbackError::StillRunning { id, pids: vec![7] },
                Kind::Transient,
                Effect::Unknown,
                None,
                None,
                "processes of instance i-1 do not end: [7]",
            ),
            (LoopbackError::Stopped, Kind::Transient, NotDone, None, None, "the loopback driver was stopped"),
        ];
        let mut codes = BTreeSet::new();
        for (error, kind, effect, quota, capacity, text) in table {
            assert_eq!(error.kind(), kind, "{error:?}");
            assert_eq!(error.effect(), effect, "{error:?}");
            assert_eq!(error.quota(), quota, "{error:?}");
            assert_eq!(error.capacity(), capacity, "{error:?}");
            assert_eq!(error.rate_limit().is_some(), kind == Kind::RateLimit, "{error:?}");
            assert_eq!(error.to_string(), text);
            codes.insert(error.provider_code().unwrap().to_owned());
            let has_source = matches!(error, LoopbackError::Storage { .. } | LoopbackError::BadPublicKey(_));
            assert_eq!(error.source().is_some(), has_source, "{error:?}");
        }
        assert_eq!(codes.len(), 14, "every variant is in the table");
    }
}
