//! What the trials of a cloud's driver are made against.

use crate::{Account, Fixtures, Missing, Refusal};
use std::{sync::OnceLock, time::Duration};

/// How long a change may take to show in a real account.
const LIVE_CHANGE: Duration = Duration::from_secs(300);

/// A server on this machine that stands for the provider, or a real account.
#[derive(Debug)]
pub enum Tried<C> {
    /// The server.
    Local(Box<C>),
    /// The account.
    Live(Box<Account>),
}

/// Keeps what a harness has [prepared](crate::Harness::prepare).
#[derive(Debug)]
pub struct Prepared<C>(OnceLock<Tried<C>>);

impl<C> Default for Prepared<C> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<C> Prepared<C> {
    /// Keeps it.
    ///
    /// # Errors
    /// When there is something already.
    pub fn set(&self, tried: Tried<C>) -> Result<(), Missing> {
        self.0.set(tried).map_err(|_| Missing("the harness was prepared twice".to_owned()))
    }

    /// What was prepared.
    ///
    /// # Errors
    /// When nothing was.
    pub fn tried(&self) -> Result<&Tried<C>, Refusal> {
        self.0.get().ok_or_else(|| Refusal::broken("the harness was not prepared"))
    }

    /// The server on this machine.
    ///
    /// # Errors
    /// What needs it is excluded in a real account.
    pub fn local(&self) -> Result<&C, Refusal> {
        match self.tried()? {
            Tried::Local(cloud) => Ok(cloud),
            Tried::Live(_) => {
                Err(Refusal::excluded("in a real account nothing is seen or done but through the driver"))
            }
        }
    }

    /// These fixtures, or, in a real account, what is cheap there and what the account's file says. A call may take
    /// `live_call` there.
    pub fn fixtures(&self, local: Fixtures, live_call: Duration) -> Fixtures {
        match self.0.get() {
            Some(Tried::Live(account)) => Fixtures {
                instance_type: account.instance_type.clone(),
                scratch_type: None,
                preemptible_type: None,
                image: Some(account.image.clone()),
                call_limit: live_call,
                change_limit: LIVE_CHANGE,
                many: 2,
                ..local
            },
            _ => local,
        }
    }
}
