//! The tags that carry the pool's memory: their names, and what they may hold.

use crate::worker::Worker;
use pool_api::{IdError, InstanceSetId, InstanceTypeName, Tags};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// What becomes of a worker that has no job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdleBehavior {
    /// It takes jobs, and is shut down when it has been idle for long enough.
    #[default]
    Run,
    /// It takes no jobs, and the pool never shuts it down.
    Hold,
    /// It takes no jobs, and is shut down once it has none.
    Drain,
}

impl IdleBehavior {
    fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Hold => "hold",
            Self::Drain => "drain",
        }
    }
}

impl fmt::Display for IdleBehavior {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not an idle behavior.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no idle behavior: use run, hold or drain")]
pub struct IdleBehaviorError(String);

impl FromStr for IdleBehavior {
    type Err = IdleBehaviorError;
    fn from_str(text: &str) -> Result<Self, IdleBehaviorError> {
        match text {
            "run" => Ok(Self::Run),
            "hold" => Ok(Self::Hold),
            "drain" => Ok(Self::Drain),
            _ => Err(IdleBehaviorError(text.chars().take(40).collect())),
        }
    }
}

/// SHA-256 of an instance's secret as 64 hexadecimal digits. The secret itself is never here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SecretHash(Arc<str>);

impl SecretHash {
    /// Takes 64 lower-case hexadecimal digits; none otherwise.
    pub fn new(hex: &str) -> Option<Self> {
        let ok = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        ok.then(|| Self(hex.into()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The names of the pool's tags, each under the configured prefix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagNames {
    /// Whose instance it is.
    pub instance_set: String,
    /// The name of its type in the configuration.
    pub instance_type: String,
    /// Its [`IdleBehavior`].
    pub idle_behavior: String,
    /// SHA-256 of its secret.
    pub secret_hash: String,
    /// The fingerprint of its host key, once that was verified.
    pub host_key: String,
}

impl TagNames {
    /// `InstanceSetID`, `InstanceType`, … under a prefix, which may be empty.
    pub fn new(prefix: &str) -> Self {
        let name = |tag: &str| format!("{prefix}{tag}");
        Self {
            instance_set: name("InstanceSetID"),
            instance_type: name("InstanceType"),
            idle_behavior: name("IdleBehavior"),
            secret_hash: name("InstanceSecret"),
            host_key: name("InstanceHostKey"),
        }
    }

    /// The tags of a new instance.
    pub fn for_create(
        &self,
        set: &InstanceSetId,
        instance_type: &InstanceTypeName,
        secret: &SecretHash,
    ) -> Tags {
        [
            (&self.instance_set, set.as_str()),
            (&self.instance_type, instance_type.as_str()),
            (&self.idle_behavior, "run"),
            (&self.secret_hash, secret.as_str()),
        ]
        .into_iter()
        .map(|(name, value)| (name.as_str(), value))
        .collect()
    }

    /// The tags of a worker that are ours to keep true.
    pub(crate) fn ours<'a>(&'a self, worker: &'a Worker) -> impl Iterator<Item = (&'a str, &'a str)> {
        [
            Some((&self.instance_type, worker.type_name.as_str())),
            Some((&self.idle_behavior, worker.idle_behavior.as_str())),
            worker.host_key.as_deref().map(|fingerprint| (&self.host_key, fingerprint)),
        ]
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
    }

    /// Whether a worker's tags were listed as they are to be.
    pub(crate) fn are_ours(&self, worker: &Worker, listed: &Tags) -> bool {
        self.ours(worker).all(|(name, value)| listed.get(name) == Some(value))
    }

    /// Reads an instance's tags.
    ///
    /// # Errors
    /// [`ForeignInstance`] when a tag that must be there is missing or malformed: such an instance is not ours to
    /// use or destroy. A bad idle behavior is no error: it means run.
    pub(crate) fn read(&self, tags: &Tags) -> Result<OurTags, ForeignInstance> {
        let get = |name: &String| tags.get(name).ok_or_else(|| ForeignInstance::Missing(name.clone()));
        let malformed = |name: &String| ForeignInstance::Malformed(name.clone());
        Ok(OurTags {
            instance_type: get(&self.instance_type)?
                .parse()
                .map_err(|_: IdError| malformed(&self.instance_type))?,
            secret: SecretHash::new(get(&self.secret_hash)?).ok_or_else(|| malformed(&self.secret_hash))?,
            idle_behavior: tags.get(&self.idle_behavior).and_then(|t| t.parse().ok()).unwrap_or_default(),
            host_key: tags.get(&self.host_key).map(str::to_owned),
        })
    }
}

/// What our tags say.
#[derive(Debug)]
pub(crate) struct OurTags {
    pub(crate) instance_type: InstanceTypeName,
    pub(crate) secret: SecretHash,
    pub(crate) idle_behavior: IdleBehavior,
    pub(crate) host_key: Option<String>,
}

/// Why an instance with our set's tag is left alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignInstance {
    /// A tag is not there.
    #[error("tag {0:?} is missing")]
    Missing(String),
    /// A tag is not what we write there.
    #[error("tag {0:?} is malformed")]
    Malformed(String),
}
