//! Whether the host at the other end is the instance that it should be.

use crate::{secret, shell::Shell};
use async_trait::async_trait;
use pool_api::{Command, HostKey, HostKeyVerdict, HostVerifier, InstanceId, UnverifiedHost, VerifyError};
use pool_state::Event;
use std::{sync::Weak, time::Duration};

/// The secret is a small file: a host that takes longer to print it is not well.
const READ_LIMIT: Duration = Duration::from_secs(20);
/// From asking the driver about a host key to its answer.
const DRIVER_LIMIT: Duration = Duration::from_secs(20);
/// Longer than the secret and its line end.
const READ_BYTES: usize = 256;

/// Verifies one worker's host: by its pinned key, by the driver, or by the instance's secret.
pub(crate) struct PoolVerifier {
    pub(crate) shell: Weak<Shell>,
    pub(crate) instance: InstanceId,
}

#[async_trait]
impl HostVerifier for PoolVerifier {
    async fn verify(&self, key: &HostKey, host: &dyn UnverifiedHost) -> Result<(), VerifyError> {
        let stopped = || VerifyError::NoSecret { detail: "the pool has stopped".to_owned() };
        let shell = self.shell.upgrade().ok_or_else(stopped)?;
        let (pinned, expected) = shell.look(|state| {
            let pinned = state.pinned_host_key(&self.instance).map(str::to_owned);
            (pinned, state.secret_hash(&self.instance).map(str::to_owned))
        });
        if pinned.as_ref() == Some(&key.fingerprint) {
            return Ok(());
        }
        let instance = shell.cloud.instance(&self.instance).ok_or_else(stopped)?;
        let asking = tokio::time::timeout(DRIVER_LIMIT, instance.verify_host_key(key));
        let late = |_| VerifyError::NoSecret {
            detail: format!("the driver did not say within {DRIVER_LIMIT:?} whether the host key is genuine"),
        };
        match asking.await.map_err(late)?.map_err(VerifyError::Provider)? {
            HostKeyVerdict::Genuine => {}
            HostKeyVerdict::Forged => return Err(VerifyError::Forged { found: key.fingerprint.clone() }),
            HostKeyVerdict::Unsupported => {
                // The secret only proves who it is the first time: a host that was broken into knows it too.
                if let Some(pinned) = pinned {
                    return Err(VerifyError::Changed { found: key.fingerprint.clone(), pinned });
                }
                read_back(host, instance.root(), &expected.unwrap_or_default()).await?;
            }
        }
        shell.handle(Event::HostVerified {
            instance: self.instance.clone(),
            fingerprint: key.fingerprint.clone(),
        });
        Ok(())
    }
}

/// The one command that runs on a host before it is verified.
async fn read_back(host: &dyn UnverifiedHost, root: &str, expected_hash: &str) -> Result<(), VerifyError> {
    let file = shlex::try_quote(root).map_err(|_| VerifyError::NoSecret { detail: "bad root".to_owned() })?;
    let command = Command::new(format!("cat {file}/{}", secret::SECRET_FILE))
        .time_limit(READ_LIMIT)
        .output_limit(READ_BYTES);
    let output = host.execute(command).await.map_err(|error| VerifyError::Command(Box::new(error)))?;
    if !output.status.is_success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let detail = format!("{}: {}", output.status, said.trim());
        return Err(VerifyError::NoSecret { detail });
    }
    if secret::is_secret(&output.stdout, expected_hash) { Ok(()) } else { Err(VerifyError::WrongSecret) }
}
