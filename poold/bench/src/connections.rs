//! What an idle worker with its connection and session costs in the pool's memory.

use crate::{
    conversation::Conversation,
    error::BenchError,
    host::{self, Loopback},
    report::{Unit, say},
};
use executor_ssh::{PrivateKey, SshExecutor};
use pool_api::{Privilege, RemoteUser, Target};
use secrecy::ExposeSecret as _;
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};
use tokio::task::JoinSet;

/// How many connections.
const CONNECTIONS: usize = 200;
/// An instance of the loopback driver takes no more than 64.
const CONNECTIONS_OF_AN_INSTANCE: usize = 50;
/// How many are made at once.
const AT_ONCE: usize = 8;

pub(crate) fn run(dir: &Path) -> Result<(), BenchError> {
    let key = PrivateKey::generate();
    let key_file = dir.join("key");
    fs::write(&key_file, key.to_openssh().expose_secret()).map_err(BenchError::failed("write a key"))?;
    let worlds = Worlds::start(dir, &key_file, CONNECTIONS / CONNECTIONS_OF_AN_INSTANCE)?;
    let runtime = tokio::runtime::Runtime::new().map_err(BenchError::failed("start a runtime"))?;
    runtime.block_on(async {
        // What is made once, by the first.
        let first = connect(key.clone(), worlds.targets[0].clone(), CONNECTIONS).await?;
        let before = memory()?;
        let mut connections = Vec::new();
        let mut making = JoinSet::new();
        for number in 0..CONNECTIONS {
            if making.len() >= AT_ONCE {
                connections.extend(made(&mut making).await?);
            }
            let target = worlds.targets[number % worlds.targets.len()].clone();
            making.spawn(connect(key.clone(), target, number));
        }
        while let Some(connection) = made(&mut making).await? {
            connections.push(connection);
        }
        let used = memory()?.saturating_sub(before);
        say("memory.per_connection", used as f64 / CONNECTIONS as f64, Unit::Bytes)?;
        drop((first, connections));
        Ok(())
    })
}

type Connected = (Arc<SshExecutor>, Conversation);

/// The next that is made; none when none is being made.
async fn made(making: &mut JoinSet<Result<Connected, BenchError>>) -> Result<Option<Connected>, BenchError> {
    match making.join_next().await {
        Some(Ok(connection)) => connection.map(Some),
        Some(Err(error)) => Err(BenchError::failed("make a connection")(error)),
        None => Ok(None),
    }
}

/// A connection with a session, on which the worker was asked once.
async fn connect(key: PrivateKey, target: Target, number: usize) -> Result<Connected, BenchError> {
    let executor = Arc::new(host::executor(&key, target));
    let root = format!("\"${}\"/{number}", pool_api::ROOT_VARIABLE);
    let mut conversation = Conversation::open(&executor, &root).await?;
    conversation.ask().await?;
    conversation.answers().await?;
    Ok((executor, conversation))
}

/// This process's memory that is no file's, in bytes.
fn memory() -> Result<u64, BenchError> {
    let status =
        fs::read_to_string("/proc/self/status").map_err(BenchError::failed("read /proc/self/status"))?;
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .ok_or_else(|| BenchError::Wrong("/proc/self/status has no RssAnon".into()))?;
    Ok(kilobytes * 1024)
}

/// Instances of the loopback driver in another process. They end with it.
struct Worlds {
    process: Child,
    targets: Vec<Target>,
}

impl Worlds {
    fn start(dir: &Path, key_file: &Path, instances: usize) -> Result<Self, BenchError> {
        let failed = || BenchError::failed("start instances in another process");
        let program = std::env::current_exe().map_err(failed())?;
        let process = Command::new(program)
            .arg("instances")
            .arg(dir)
            .arg(key_file)
            .arg(instances.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed())?;
        let mut worlds = Self { process, targets: Vec::new() };
        if let Some(output) = worlds.process.stdout.take() {
            for line in BufReader::new(output).lines().take(instances) {
                let line = line.map_err(failed())?;
                let (address, name) = line
                    .split_once(' ')
                    .ok_or_else(|| BenchError::Wrong(format!("an instance said {line:?}")))?;
                let user = RemoteUser { name: name.to_owned(), privilege: Privilege::Own };
                worlds.targets.push(Target { address: address.to_owned(), user });
            }
        }
        if worlds.targets.len() < instances {
            return Err(BenchError::Wrong("the process with the instances has ended".into()));
        }
        Ok(worlds)
    }
}

impl Drop for Worlds {
    fn drop(&mut self) {
        // The end of its input is its end.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The other process: says an instance a line, address and user, and ends them when its input ends.
pub(crate) fn serve(dir: &Path, key_file: &Path, instances: usize) -> Result<(), BenchError> {
    let key = PrivateKey::from_file(key_file).map_err(BenchError::failed("read a key"))?;
    let runtime = tokio::runtime::Runtime::new().map_err(BenchError::failed("start a runtime"))?;
    let cloud = runtime.block_on(async {
        let cloud = Loopback::open(dir).await?;
        for _ in 0..instances {
            let target = host::target(&*cloud.instance(&key).await?)?;
            writeln!(std::io::stdout(), "{} {}", target.address, target.user.name)?;
        }
        Ok::<_, BenchError>(cloud)
    })?;
    std::io::stdin().read_to_end(&mut Vec::new()).map_err(BenchError::failed("wait for the end"))?;
    runtime.block_on(cloud.close())
}
