//! What a trial is.

use crate::{bench::Bench, stop::Stop};
use futures_util::future::BoxFuture;
use std::{fmt, sync::Arc};

/// A clause of the contract: see the list in [`pool_api`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Clause {
    /// 1: a driver never retries and never decides.
    NoDecisions,
    /// 2: a list is all or nothing.
    WholeLists,
    /// 3: a create can be asked again.
    AskAgain,
    /// 4: a destroy is idempotent.
    DestroyTwice,
    /// 5: other sets are neither returned nor touched.
    OthersUntouched,
    /// 6: secrets stay secret.
    Secrets,
    /// What a method's own documentation says.
    Method(&'static str),
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDecisions => f.write_str("clause 1"),
            Self::WholeLists => f.write_str("clause 2"),
            Self::AskAgain => f.write_str("clause 3"),
            Self::DestroyTwice => f.write_str("clause 4"),
            Self::OthersUntouched => f.write_str("clause 5"),
            Self::Secrets => f.write_str("clause 6"),
            Self::Method(name) => f.write_str(name),
        }
    }
}

type Body = Box<dyn FnOnce(Arc<Bench>) -> BoxFuture<'static, Result<(), Stop>> + Send>;

/// A trial: one behaviour.
pub(crate) struct Specification {
    /// What the driver must do, as a sentence in snake case.
    pub(crate) name: String,
    /// What goes wrong in a pool when it does not.
    pub(crate) reason: &'static str,
    pub(crate) clause: Clause,
    /// No other trial runs meanwhile: it keeps the cloud so busy that others would be late, and it with them.
    pub(crate) alone: bool,
    pub(crate) body: Body,
}

impl Specification {
    pub(crate) fn new<F>(
        name: impl Into<String>,
        clause: Clause,
        reason: &'static str,
        body: impl FnOnce(Arc<Bench>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), Stop>> + Send + 'static,
    {
        Self {
            name: name.into(),
            reason,
            clause,
            alone: false,
            body: Box::new(|bench| Box::pin(body(bench))),
        }
    }

    /// The same, run while no other trial is.
    pub(crate) fn alone(self) -> Self {
        Self { alone: true, ..self }
    }
}
