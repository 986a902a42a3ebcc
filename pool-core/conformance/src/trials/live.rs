//! With a real machine behind the instance: what an operator wants to know of an account and a configuration.

use crate::{
    bench::{Bench, Session},
    specification::{Clause, Specification},
    stop::{Stop, chain, ensure},
};
use async_trait::async_trait;
use pool_api::{
    BoxCloudError, Command, CommandOutput, CreateRequest, Executor, ExecutorError, HostKey, HostKeyVerdict,
    HostVerifier, InitCommand, Instance, InstanceId, ROOT_VARIABLE, Target, UnverifiedHost, VerifyError,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// From one attempt to log in to the next.
const PAUSE: Duration = Duration::from_millis(500);
/// From asking a host for its secret to the answer.
const SECRET_LIMIT: Duration = Duration::from_secs(20);
/// The file in the instance's root that the init command writes the secret to.
const SECRET_FILE: &str = "conformance-secret";

pub(crate) fn trials() -> Vec<Specification> {
    const LIVE: Clause = Clause::Method("Instance");
    vec![
        Specification::new(
            "live_an_instance_boots_is_verified_and_runs_a_command",
            LIVE,
            "this account and this configuration are what the pool will use",
            whole_life,
        ),
        Specification::new(
            "live_a_preemptible_instance_is_created_and_destroyed",
            LIVE,
            "this account may have no right to spot instances",
            preemptible,
        ),
    ]
}

async fn whole_life(bench: Arc<Bench>) -> Result<(), Stop> {
    let reach = bench.harness().reach()?;
    let secret = bench.secret();
    let session = bench.step("open", bench.open()).await?;
    let script = format!(
        "umask 077\nroot=\"${{{ROOT_VARIABLE}:-{}}}\"\nmkdir -p \"$root\"\nprintf %s {secret} > \"$root\"/{SECRET_FILE}\n",
        pool_api::DEFAULT_ROOT
    );
    let request = CreateRequest { init_command: InitCommand::new(script), ..bench.request(&session) };
    let instance = bench.step("create", session.create(request.clone())).await?;
    let id = instance.id().clone();
    let listed = bench.step("listed", session.listed(&id)).await?;
    ensure!(listed.tags().matches(&request.tags), "it is listed with {:?}", listed.tags());
    let more = [("Conformance", "live")].into_iter().collect();
    bench.step("set tags", session.succeed("set_tags", listed.set_tags(&more))).await?;
    let tagged =
        session.until(&id, Duration::ZERO, "listed with the new tag", |listed| listed.tags().matches(&more));
    bench.step("new tag listed", tagged).await?;

    let limit = bench.fixtures.boot_limit;
    let addressed =
        session.until(&id, limit, "listed with an address", |instance| instance.address().is_some());
    let addressed = bench.step("address listed", addressed).await?;
    let target =
        Target { address: addressed.address().unwrap_or_default().to_owned(), user: addressed.remote_user() };
    let verifier = Arc::new(Verifier { instance: Arc::clone(&addressed), secret, verdict: Mutex::new(None) });
    let executor = reach.executor(target, Arc::clone(&verifier) as Arc<dyn HostVerifier>);
    let output =
        bench.step("booted, host verified, first command run", first_command(&*executor, limit)).await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.is_success() && said == "conformance\n",
        "the command has said {said:?}, {}",
        output.status
    );
    bench.step("second command run", first_command(&*executor, limit)).await?;
    let vouched = *verifier.verdict.lock().unwrap_or_else(PoisonError::into_inner);
    let claims = session.set.capabilities().host_keys;
    ensure!(
        claims || vouched == Some(HostKeyVerdict::Unsupported),
        "the capabilities say that the driver knows no host keys, but it has said {vouched:?}"
    );
    executor.close();
    bench.step("running listed", session.until(&id, limit, "listed as running", is_running)).await?;
    end(&bench, &session, &id).await
}

async fn preemptible(bench: Arc<Bench>) -> Result<(), Stop> {
    let Some(instance_type) = bench.fixtures.preemptible_type.clone() else {
        return Err(Stop::Excluded("the harness has no preemptible type".to_owned()));
    };
    let session = bench.step("open", bench.open()).await?;
    let instance = bench.step("create", session.create(bench.request_of(&session, &instance_type))).await?;
    let id = instance.id().clone();
    bench.step("listed", session.listed(&id)).await?;
    end(&bench, &session, &id).await
}

async fn end(bench: &Arc<Bench>, session: &Session, id: &InstanceId) -> Result<(), Stop> {
    let listed = session.listed(id).await?;
    bench.step("destroy", session.destroy(&*listed)).await?;
    bench.step("gone from the list", session.until_empty()).await
}

fn is_running(instance: &dyn Instance) -> bool {
    instance.lifecycle() == pool_api::Lifecycle::Running
}

/// Runs a command as soon as the host can be reached.
async fn first_command(executor: &dyn Executor, limit: Duration) -> Result<CommandOutput, Stop> {
    let deadline = Instant::now() + limit;
    loop {
        match executor.execute(Command::new("echo conformance")).await {
            Ok(output) => return Ok(output),
            Err(error) if Instant::now() > deadline || is_another_host(&error) => {
                return Err(Stop::Failed(chain(&error)));
            }
            // It boots: there is no server yet, or the key or the secret is not there yet.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Waiting makes no other host of it.
fn is_another_host(error: &ExecutorError) -> bool {
    use VerifyError::{Changed, Forged, WrongSecret};
    matches!(error, ExecutorError::HostRefused(Changed { .. } | Forged { .. } | WrongSecret))
}

/// Accepts a host that the driver vouches for, or that knows the secret of the init command.
struct Verifier {
    instance: Arc<dyn Instance>,
    secret: String,
    /// What the driver has said last.
    verdict: Mutex<Option<HostKeyVerdict>>,
}

#[async_trait]
impl HostVerifier for Verifier {
    async fn verify(&self, key: &HostKey, host: &dyn UnverifiedHost) -> Result<(), VerifyError> {
        let verdict: Result<HostKeyVerdict, BoxCloudError> = self.instance.verify_host_key(key).await;
        let verdict = verdict.map_err(VerifyError::Provider)?;
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
        match verdict {
            HostKeyVerdict::Genuine => return Ok(()),
            HostKeyVerdict::Forged => return Err(VerifyError::Forged { found: key.fingerprint.clone() }),
            HostKeyVerdict::Unsupported => {}
        }
        let quoted = self.instance.root().replace('\'', r"'\''");
        let command =
            Command::new(format!("cat '{quoted}'/{SECRET_FILE}")).time_limit(SECRET_LIMIT).output_limit(256);
        let output = host.execute(command).await.map_err(|error| VerifyError::Command(Box::new(error)))?;
        if !output.status.is_success() {
            return Err(VerifyError::NoSecret { detail: output.status.to_string() });
        }
        if output.stdout == self.secret.as_bytes() { Ok(()) } else { Err(VerifyError::WrongSecret) }
    }
}
