//! Names and identifiers, each a type of its own, so that no two can be exchanged by mistake.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// A text that cannot be the identifier that it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid {what}: {rule}")]
pub struct IdError {
    /// What the text was meant to be.
    pub what: &'static str,
    /// The text, cut to 80 characters.
    pub text: String,
    /// What a valid one looks like.
    pub rule: &'static str,
}

fn check(what: &'static str, text: &str, rule: &'static str, ok: bool) -> Result<(), IdError> {
    if ok { Ok(()) } else { Err(IdError { what, text: text.chars().take(80).collect(), rule }) }
}

/// Safe as a file name, in a shell word, in a tag and in a metric label.
fn is_plain(text: &str, longest: usize) -> bool {
    !text.is_empty()
        && text.len() <= longest
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// What a provider may call a thing of its own: nothing that could end a line or hide in a terminal.
fn is_printable(text: &str, longest: usize) -> bool {
    !text.is_empty() && text.len() <= longest && !text.chars().any(char::is_control)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, |$text:ident| $ok:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text as this kind of identifier.
            ///
            /// # Errors
            /// [`IdError`] with the rule that the text breaks.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                let $text = text.as_ref();
                check($what, $text, $rule, $ok)?;
                Ok(Self($text.into()))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = IdError;
            fn try_from(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }
    };
}

id! {
    /// Names one pool's instances apart from all others in the same cloud account.
    InstanceSetId, "instance set id", "1 to 63 of A-Z a-z 0-9 . _ -, not starting with . or -",
    |text| is_plain(text, 63)
}
id! {
    /// A provider's own identifier of an instance, unique within its instance set.
    InstanceId, "instance id", "1 to 255 bytes without control characters",
    |text| is_printable(text, 255)
}
id! {
    /// The name that the operator gave an instance type in the configuration.
    InstanceTypeName, "instance type name", "1 to 63 of A-Z a-z 0-9 . _ -, not starting with . or -",
    |text| is_plain(text, 63)
}
id! {
    /// The provider's name for a kind of machine (`m7i.large`, `Standard_D2s_v5`, `n2-standard-2`).
    ProviderType, "provider type", "1 to 255 bytes without control characters",
    |text| is_printable(text, 255)
}
id! {
    /// Instance types that share one quota at the provider. Drivers define what goes together.
    QuotaGroup, "quota group", "1 to 255 bytes without control characters",
    |text| is_printable(text, 255)
}
id! {
    /// The image that an instance boots from, in the provider's own form.
    ImageId, "image", "1 to 1024 bytes without control characters",
    |text| is_printable(text, 1024)
}
id! {
    /// A job. Chosen by whoever submits it; it becomes part of file names on the worker.
    JobId, "job id", "1 to 128 of A-Z a-z 0-9 . _ -, not starting with . or -",
    |text| is_plain(text, 128)
}
id! {
    /// Jobs that belong together, for example those of one user: a scheduler may bound how many of them run at once.
    JobGroup, "job group", "1 to 63 of A-Z a-z 0-9 . _ -, not starting with . or -",
    |text| is_plain(text, 63)
}

/// Where an instance can be put: an EC2 subnet, a GCE zone, an Azure zone.
///
/// Where a provider offers no choice there is one placement, the [unnamed](Placement::unnamed).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Placement(Arc<str>);

impl Placement {
    /// The only placement of a provider that offers no choice.
    pub fn unnamed() -> Self {
        Self::default()
    }

    /// A placement by the provider's name for it; the empty text is the unnamed one.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(name.as_ref().into())
    }

    /// The provider's name, empty for the unnamed placement.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if self.0.is_empty() { "-" } else { &self.0 })
    }
}

/// One attempt at a job. Starting a run that is known already is a no-op wherever it is asked for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RunId {
    /// The job.
    pub job: JobId,
    /// Which attempt at it, counted from 1.
    pub attempt: u32,
}

impl RunId {
    /// The given attempt at a job.
    pub fn new(job: JobId, attempt: u32) -> Self {
        Self { job, attempt }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.job, self.attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_id_is_safe_as_a_file_name() {
        for bad in ["", ".", "..", ".hidden", "-rf", "a/b", "a b", "a\nb", "é", &"x".repeat(129)] {
            assert!(JobId::new(bad).is_err(), "{bad:?} was taken");
        }
        for good in ["1", "a.b_c-d", &"x".repeat(128)] {
            assert_eq!(JobId::new(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn a_bad_id_is_refused_when_it_is_read_and_the_error_says_the_rule() {
        let error = serde_json::from_str::<InstanceTypeName>("\"a b\"").unwrap_err().to_string();
        assert!(error.contains("\"a b\" is not a valid instance type name: 1 to 63 of"), "{error}");
    }

    #[test]
    fn provider_ids_may_hold_slashes_but_no_control_characters() {
        assert!(InstanceId::new("/subscriptions/1/vm-é").is_ok());
        assert!(InstanceId::new("vm\x1b[2J").is_err());
    }
}
