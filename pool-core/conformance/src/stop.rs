//! Why a trial ends before its end.

use crate::Refusal;
use std::error::Error;

/// Not an [`Error`], so that any error can become one with `?`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// The driver does not do what it must.
    Failed(String),
    /// It cannot be found out, and why.
    Excluded(String),
}

impl<E: Error> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(chain(&error))
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Excluded(why) => Self::Excluded(why),
            Refusal::Broken(why) => Self::Failed(format!("the harness failed: {why}")),
        }
    }
}

/// An error with its sources on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Ends the trial as failed unless something is so.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::stop::Stop::Failed(format!($($text)+)));
        }
    };
}
pub(crate) use ensure;
