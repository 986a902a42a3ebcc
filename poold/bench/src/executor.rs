//! Commands a second over one connection: to OpenSSH's server, beside OpenSSH's own client; to an instance of the loopback
//! driver, beside the processes that it starts; and to a server that does nothing for them.

use crate::{
    error::BenchError,
    host::{self, Loopback, Sshd},
    idle_server::IdleServer,
    report::{Unit, rate, say},
    yardsticks::{Measured, count_calls},
};
use executor_ssh::{PrivateKey, SshExecutor};
use pool_api::{Command, Executor as _};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// How long each figure is measured.
const MEASURE_FOR: Duration = Duration::from_secs(2);
/// How many commands at once, and what the figure is called.
const CALLERS: [(usize, &str); 2] = [(1, "sequential"), (16, "at_16")];

pub(crate) fn run(dir: &Path) -> Result<(), BenchError> {
    let runtime = tokio::runtime::Runtime::new().map_err(BenchError::failed("start a runtime"))?;
    let key = PrivateKey::generate();
    let (openssh, loopback) = (dir.join("openssh"), dir.join("loopback"));
    for dir in [&openssh, &loopback] {
        fs::create_dir(dir).map_err(BenchError::failed("make a folder"))?;
    }
    {
        let sshd = runtime.block_on(Sshd::start(&openssh, &key))?;
        let executor = Arc::new(host::executor(&key, sshd.target.clone()));
        let mux = Mux::start(&openssh, &sshd)?;
        for (callers, name) in CALLERS {
            let theirs = count_calls(callers, MEASURE_FOR, || mux.command())?;
            let theirs = rate(&format!("yardstick.openssh_mux.{name}"), theirs.0, theirs.1)?;
            let ours = runtime.block_on(measure(&executor, callers))?;
            let ours = rate(&format!("executor.openssh.{name}"), ours.0, ours.1)?;
            say(&format!("executor.openssh.{name}.ratio"), ours / theirs, Unit::Ratio)?;
        }
    }
    runtime.block_on(async {
        let cloud = Loopback::open(&loopback).await?;
        let instance = cloud.instance(&key).await?;
        let executor = Arc::new(host::executor(&key, host::target(&*instance)?));
        for (callers, name) in CALLERS {
            // What the instance does for each command, without all that is around it.
            let bound = count_calls(callers, MEASURE_FOR, shell)?;
            let bound = rate(&format!("yardstick.shell.{name}"), bound.0, bound.1)?;
            let ours = measure(&executor, callers).await?;
            let ours = rate(&format!("executor.loopback.{name}"), ours.0, ours.1)?;
            say(&format!("executor.loopback.{name}.ratio"), ours / bound, Unit::Ratio)?;
        }
        cloud.close().await?;

        let server = IdleServer::start().await?;
        let executor = Arc::new(host::executor(&key, server.target.clone()));
        for (callers, name) in CALLERS {
            let (count, took) = measure(&executor, callers).await?;
            rate(&format!("executor.idle_server.{name}"), count, took)?;
        }
        Ok(())
    })
}

/// Commands with so many callers at once.
async fn measure(executor: &Arc<SshExecutor>, callers: usize) -> Result<Measured, BenchError> {
    command(executor).await?;
    let began = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let executor = Arc::clone(executor);
        running.spawn(async move {
            let mut count = 0;
            while began.elapsed() < MEASURE_FOR {
                command(&executor).await?;
                count += 1;
            }
            Ok::<usize, BenchError>(count)
        });
    }
    let counts = running.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok((counts.iter().sum(), began.elapsed()))
}

async fn command(executor: &SshExecutor) -> Result<(), BenchError> {
    let output = executor.execute(Command::new("true")).await;
    let output = output.map_err(BenchError::failed("run a command over SSH"))?;
    if !output.status.is_success() {
        return Err(BenchError::Wrong(format!("`true` ended over SSH with {}", output.status)));
    }
    Ok(())
}

/// `true`, for a shell with pipes.
fn shell() -> Result<(), BenchError> {
    let shell = std::process::Command::new("/bin/sh")
        .args(["-c", "true"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let output = shell.and_then(Child::wait_with_output).map_err(BenchError::failed("run a shell"))?;
    if !output.status.success() {
        return Err(BenchError::Wrong(format!("`sh -c true` has failed: {}", output.status)));
    }
    Ok(())
}

/// OpenSSH's client, whose connection many processes share.
struct Mux {
    /// The socket of the process that holds the connection.
    control: PathBuf,
    destination: String,
    master: Child,
}

impl Mux {
    fn start(dir: &Path, sshd: &Sshd) -> Result<Self, BenchError> {
        let address = &sshd.target.address;
        let (host, port) =
            address.rsplit_once(':').ok_or_else(|| BenchError::Wrong(format!("{address} has no port")))?;
        // Below a short path: that of a socket may have some 100 bytes only.
        let control = std::env::temp_dir().join(format!("poold-bench-{}", std::process::id()));
        let destination = format!("{}@{host}", sshd.target.user.name);
        let master = std::process::Command::new("ssh")
            .args(["-F", "none", "-M", "-N", "-p", port])
            .args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
            .args(["-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"])
            .arg("-i")
            .arg(&sshd.key_file)
            .arg("-S")
            .arg(&control)
            .arg(&destination)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(BenchError::failed("start `ssh`: install OpenSSH's client"))?;
        let mut mux = Self { control, destination, master };
        while !mux.control.exists() {
            if let Some(status) = mux.master.try_wait().map_err(BenchError::failed("wait for `ssh`"))? {
                return Err(BenchError::Wrong(format!("`ssh` that should hold a connection: {status}")));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(mux)
    }

    fn command(&self) -> Result<(), BenchError> {
        let status = std::process::Command::new("ssh")
            .args(["-F", "none", "-S"])
            .arg(&self.control)
            .args([&self.destination, "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .map_err(BenchError::failed("run `ssh`"))?;
        if !status.success() {
            return Err(BenchError::Wrong(format!("`ssh … true` over a shared connection: {status}")));
        }
        Ok(())
    }
}

impl Drop for Mux {
    fn drop(&mut self) {
        let _ = self.master.kill();
        let _ = self.master.wait();
        // It does so itself, but not when it is killed.
        let _ = fs::remove_file(&self.control);
    }
}
