//! Verifiers that can be told what to say, and executors that use them.

use async_trait::async_trait;
use executor_ssh::{PrivateKey, SshConfig, SshExecutor};
use pool_api::{
    Command, CommandOutput, ExecutorError, HostKey, HostVerifier, Privilege, RemoteUser, Target,
    UnverifiedHost, VerifyError,
};
use std::{
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Long enough for a slow machine, short enough to fail a test that hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a verifier answers.
#[derive(Clone, Debug)]
pub enum Verdict {
    Accept,
    Refuse,
    /// Runs this line on the host and accepts it when that prints this text.
    Secret {
        line: String,
        expected: String,
    },
    /// Never answers.
    Hang,
}

/// Remembers the keys that it was asked about.
#[derive(Debug)]
pub struct Verifier {
    pub seen: Mutex<Vec<HostKey>>,
    pub verdict: Mutex<Verdict>,
}

impl Verifier {
    pub fn new(verdict: Verdict) -> Arc<Self> {
        Arc::new(Self { seen: Mutex::default(), verdict: Mutex::new(verdict) })
    }

    pub fn fingerprints(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|key| key.fingerprint.clone()).collect()
    }

    pub fn set(&self, verdict: Verdict) {
        *self.verdict.lock().unwrap() = verdict;
    }
}

#[async_trait]
impl HostVerifier for Verifier {
    async fn verify(&self, key: &HostKey, host: &dyn UnverifiedHost) -> Result<(), VerifyError> {
        self.seen.lock().unwrap().push(key.clone());
        let verdict = self.verdict.lock().unwrap().clone();
        match verdict {
            Verdict::Accept => Ok(()),
            Verdict::Refuse => Err(VerifyError::WrongSecret),
            Verdict::Hang => std::future::pending().await,
            Verdict::Secret { line, expected } => {
                let output = host.execute(Command::new(line)).await;
                let output = output.map_err(|error| VerifyError::Command(Box::new(error)))?;
                if output.stdout == expected { Ok(()) } else { Err(VerifyError::WrongSecret) }
            }
        }
    }
}

pub fn target(address: &str, user: &str, privilege: Privilege) -> Target {
    Target { address: address.to_owned(), user: RemoteUser { name: user.to_owned(), privilege } }
}

/// An executor with the defaults that accepts the host.
pub fn executor(key: &PrivateKey, target: Target) -> SshExecutor {
    let config = Arc::new(SshConfig::new(key.clone()));
    SshExecutor::new(config, Some(target), Verifier::new(Verdict::Accept))
}

/// Notices a silent peer after 600 ms.
pub fn impatient(key: &PrivateKey) -> SshConfig {
    let mut config = SshConfig::new(key.clone());
    config.keepalive_interval = Duration::from_millis(200);
    config.keepalive_max = 2;
    config
}

pub fn text(output: &CommandOutput) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// The error and its sources, as a person would read them.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let all = std::iter::successors(Some(error), |&error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Asserts that an outcome is a loss.
pub fn assert_lost<T: std::fmt::Debug>(result: &Result<T, ExecutorError>) {
    assert!(matches!(result, Err(ExecutorError::Lost(_))), "{result:?}");
}

/// Waits until something that has no event of its own is true; fails after [`PATIENCE`].
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}
