//! What the SSH server of one instance is made of.

use crate::machine::Environment;
use russh::{
    MethodKind, MethodSet,
    keys::{PrivateKey, PublicKey},
    server,
};
use std::{sync::Arc, time::Duration};

/// How long a wrong key takes to be refused. Nobody guesses keys over a loopback interface.
const REJECTION_TIME: Duration = Duration::from_millis(20);

/// Whom an instance lets in, and what it runs.
#[derive(Debug)]
pub(crate) struct Host {
    pub(super) config: Arc<server::Config>,
    pub(super) user: String,
    authorized: PublicKey,
    pub(super) environment: Environment,
}

impl Host {
    pub(crate) fn new(
        key: PrivateKey,
        user: String,
        authorized: PublicKey,
        environment: Environment,
    ) -> Self {
        let config = server::Config {
            methods: MethodSet::from(&[MethodKind::PublicKey][..]),
            auth_rejection_time: REJECTION_TIME,
            auth_rejection_time_initial: Some(Duration::ZERO),
            keys: vec![key],
            // A session that has nothing to say for hours is a good one.
            inactivity_timeout: None,
            nodelay: true,
            ..server::Config::default()
        };
        Self { config: Arc::new(config), user, authorized, environment }
    }

    pub(super) fn lets_in(&self, user: &str, key: &PublicKey) -> bool {
        user == self.user && key.key_data() == self.authorized.key_data()
    }
}
