//! How many commands a second one connection carries: one after another, and 50 at once, to a server in this
//! process that does nothing for them. `cargo run --release --example speed -p executor-ssh`
//!
//! With an address, a user and a private key file as arguments it measures `true` on that host instead.

#![expect(clippy::print_stdout, reason = "it is what the program is for")]

#[path = "../tests/support/mod.rs"]
mod support;

use executor_ssh::{PrivateKey, SshConfig, SshExecutor};
use pool_api::{Command, Executor, ExecutorError, Privilege};
use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};
use support::{Verdict, Verifier, server::Server, target};
use tokio::task::JoinSet;

const SECONDS: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (_server, key, target, line) = match &arguments[..] {
        [address, user, file] => {
            (None, PrivateKey::from_file(file)?, target(address, user, Privilege::Own), "true")
        }
        _ => {
            let key = PrivateKey::generate();
            let server = Server::start(&key).await;
            let target = target(&server.address, "root", Privilege::Own);
            (Some(server), key, target, "%true")
        }
    };
    let config = Arc::new(SshConfig::new(key));
    let start = Instant::now();
    let executor = Arc::new(SshExecutor::new(config, Some(target), Verifier::new(Verdict::Accept)));
    executor.execute(Command::new(line)).await?;
    println!("connect and first command: {:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
    for at_once in [1, 8, 50] {
        println!("{at_once:>3} at once: {:.0} commands a second", measure(&executor, line, at_once).await?);
    }
    Ok(())
}

/// Commands a second with so many callers.
async fn measure(
    executor: &Arc<SshExecutor>,
    line: &'static str,
    callers: usize,
) -> Result<f64, ExecutorError> {
    let start = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let executor = Arc::clone(executor);
        running.spawn(async move {
            let mut count = 0_u32;
            while start.elapsed() < SECONDS {
                executor.execute(Command::new(line)).await?;
                count += 1;
            }
            Ok::<_, ExecutorError>(count)
        });
    }
    let mut total = 0.0;
    for count in running.join_all().await {
        total += f64::from(count?);
    }
    Ok(total / start.elapsed().as_secs_f64())
}
