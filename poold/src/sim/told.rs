//! What the pool says, in words.

use pool_core::Notice;
use std::fmt;

/// A notice, for people.
pub(crate) struct Told<'a>(pub(crate) &'a Notice);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Notice::Shutdown { instance, reason } => write!(f, "gives {instance} up: {reason}"),
            Notice::Appeared { instance, created_here: true } => write!(f, "has a new worker, {instance}"),
            Notice::Appeared { instance, created_here: false } => write!(f, "finds {instance}"),
            Notice::Ready { instance } => write!(f, "{instance} is ready"),
            Notice::Gone { instance } => write!(f, "{instance} is gone"),
            Notice::LeftAlone { instance, why } => write!(f, "leaves {instance} alone: {why}"),
            Notice::CallFailed { kind, failure } => {
                write!(
                    f,
                    "a call of {kind} failed ({:?}, {:?}): {}",
                    failure.class, failure.effect, failure.message
                )
            }
            Notice::RateLimited { kind, until, message } => {
                write!(f, "calls of {kind} wait until {:?}: {message}", until.since_start())
            }
            Notice::ProbeFailed { instance, reason } => write!(f, "a probe of {instance} failed: {reason}"),
            Notice::Broken { instance, reason } => write!(f, "{instance} says that it is broken: {reason}"),
            Notice::GaveUp { run, instance } => write!(f, "{run} does not end on {instance}: given up"),
            Notice::RunsTwice { run, instance } => write!(f, "{run} runs on {instance} too: ended there"),
            Notice::TakenOver { instance, highest } => {
                write!(f, "another program, epoch {highest}, has {instance}")
            }
            Notice::Superseded { highest } => {
                write!(f, "another program, epoch {highest}, has all: it does nothing any more")
            }
            Notice::IdleBehavior { instance, to } => write!(f, "{instance} is to {to}"),
        }
    }
}
