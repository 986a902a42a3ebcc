//! What can be made to go wrong, in words that fit every provider.

use pool_api::FailureScope;
use std::{fmt, time::Duration};

/// The calls of the contract that faults can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Call {
    /// [`create`](pool_api::InstanceSet::create).
    Create,
    /// [`instances`](pool_api::InstanceSet::instances).
    List,
    /// [`set_tags`](pool_api::Instance::set_tags).
    SetTags,
    /// [`destroy`](pool_api::Instance::destroy).
    Destroy,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::List => "list",
            Self::SetTags => "set_tags",
            Self::Destroy => "destroy",
        })
    }
}

/// What goes wrong with a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Failure {
    /// The provider refuses for lack of quota, of this scope, with a code that it really uses for that.
    Quota(FailureScope),
    /// The provider has no machine, of this scope.
    Capacity(FailureScope),
    /// The provider refuses for the rate of calls.
    RateLimit {
        /// How long to wait, if it says so.
        retry_after: Option<Duration>,
    },
    /// The provider does not accept the credentials.
    Auth,
    /// The provider says that the request cannot be right.
    InvalidRequest,
    /// The provider says that something does not exist.
    NotFound,
    /// The provider fails: an HTTP status from 500 on, with whatever body it sends then.
    ServerError(u16),
    /// The request never arrives, and the connection ends without an answer.
    LostRequest,
    /// The request arrives and is carried out; the connection ends without an answer.
    LostResponse,
    /// The request is carried out; the connection ends in the middle of the answer.
    CutBody,
    /// The request is carried out; the answer has a good status and is no answer.
    GarbageBody,
    /// The request arrives twice, as by a network that repeats it; the answer to the second comes back.
    Repeat,
    /// The connection is reset before an answer.
    Reset,
    /// The request arrives and nothing ever comes back.
    Hang,
    /// The call is carried out after this long.
    Delay(Duration),
    /// The nth page of a list, counted from 1, fails as the provider's own failure.
    FailingPage(usize),
    /// Nothing fails, but pages hold at most so many instances.
    SmallPages(usize),
}

/// One thing that goes wrong with the calls of a set, from the moment when it is opened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fault {
    /// Which calls.
    pub call: Call,
    /// What happens to them.
    pub failure: Failure,
    /// How many of them it happens to, from the first on; none: all. Pages are not counted.
    pub times: Option<usize>,
}

impl Fault {
    /// To all calls.
    pub const fn always(call: Call, failure: Failure) -> Self {
        Self { call, failure, times: None }
    }

    /// To the first call alone.
    pub const fn once(call: Call, failure: Failure) -> Self {
        Self { call, failure, times: Some(1) }
    }
}
