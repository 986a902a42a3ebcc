//! Round trips a second of frames between a pool and a worker's daemon, in one session.

use crate::{
    conversation::Conversation,
    error::BenchError,
    host::{self, Loopback, Sshd},
    report::{rate, spread},
};
use executor_ssh::{PrivateKey, SshExecutor};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How long each figure is measured.
const MEASURE_FOR: Duration = Duration::from_secs(2);
/// How many requests are under way at once.
const IN_FLIGHT: usize = 64;

pub(crate) fn run(dir: &Path) -> Result<(), BenchError> {
    let runtime = tokio::runtime::Runtime::new().map_err(BenchError::failed("start a runtime"))?;
    runtime.block_on(async {
        let key = PrivateKey::generate();
        {
            let cloud = Loopback::open(dir).await?;
            let instance = cloud.instance(&key).await?;
            let executor = host::executor(&key, host::target(&*instance)?);
            let root = format!("\"${}\"", pool_api::ROOT_VARIABLE);
            measure("session.loopback", &executor, &root).await?;
            cloud.close().await?;
        }
        let sshd = Sshd::start(dir, &key).await?;
        let executor = host::executor(&key, sshd.target.clone());
        let root = dir.join("worker").to_string_lossy().into_owned();
        let root =
            shlex::try_quote(&root).map_err(BenchError::failed("quote the path of a worker's root"))?;
        measure("session.openssh", &executor, &root).await
    })
}

async fn measure(id: &str, executor: &SshExecutor, root: &str) -> Result<(), BenchError> {
    let mut conversation = Conversation::open(executor, root).await?;

    let mut round_trips = Vec::new();
    let began = Instant::now();
    while began.elapsed() < MEASURE_FOR {
        let asked = Instant::now();
        conversation.ask().await?;
        conversation.answers().await?;
        round_trips.push(asked.elapsed());
    }
    rate(&format!("{id}.sequential"), round_trips.len(), began.elapsed())?;
    spread(&format!("{id}.round_trip"), round_trips)?;

    let (mut count, mut in_flight) = (0, 0);
    let began = Instant::now();
    while began.elapsed() < MEASURE_FOR {
        while in_flight < IN_FLIGHT {
            conversation.ask().await?;
            in_flight += 1;
        }
        let answers = conversation.answers().await?;
        in_flight -= answers;
        count += answers;
    }
    rate(&format!("{id}.in_flight_64"), count, began.elapsed())?;
    conversation.end().await
}
