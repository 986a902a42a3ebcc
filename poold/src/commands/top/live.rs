//! News of the pool, as it comes.

use super::{
    event::{Event, Link, Update},
    view::Everything,
};
use crate::{
    api::{ErrorCode, HoldOff, InstancesChanged, JobPage, JobsChanged, PoolStatus, routes},
    client::{Client, ClientError, EventReader, ServerEvent},
};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::{
    sync::mpsc::Sender,
    time::{Instant, sleep, timeout_at},
};

/// Jobs of one question.
const PAGE: usize = 1000;
/// How often a server is asked that tells nothing by itself.
const EVERY: Duration = Duration::from_secs(2);
/// How often all is read anew where the server tells of changes: it does not tell when only the reason changes why a job
/// waits, nor for how long a worker has been idle.
const ANEW: Duration = Duration::from_secs(10);
/// From one try to reach it to the next.
const AGAIN: Duration = Duration::from_secs(1);

/// Whoever listened has gone.
struct Unheard;

async fn tell(to: &Sender<Event>, update: Update) -> Result<(), Unheard> {
    to.send(Event::Update(update)).await.map_err(|_| Unheard)
}

/// Tells of the pool until nobody listens.
pub(super) async fn follow(client: &Client, to: Sender<Event>) {
    loop {
        let ended = match client.events(routes::EVENTS).await {
            Ok(events) => live(client, events, &to).await,
            Err(error) if is_absent(&error) => asking(client, &to).await,
            Err(error) => Ok(error),
        };
        let Ok(error) = ended else { return };
        let why = crate::say::with_causes(&error);
        if tell(&to, Update::Link(Link::Lost(why))).await.is_err() {
            return;
        }
        sleep(AGAIN).await;
    }
}

/// The server is older, and has no such address.
fn is_absent(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused(error) if error.code == ErrorCode::NotFound)
}

/// Until it is lost, and why.
async fn live(client: &Client, mut events: EventReader, to: &Sender<Event>) -> Result<ClientError, Unheard> {
    // What changes meanwhile is told after it: no change falls between.
    let mut known = false;
    let mut anew = Instant::now();
    loop {
        if !known {
            match everything(client).await {
                Ok(all) => tell(to, Update::All(Box::new(all))).await?,
                Err(error) => return Ok(error),
            }
            tell(to, Update::Link(Link::Live)).await?;
            known = true;
            anew = Instant::now() + ANEW;
        }
        let Ok(event) = timeout_at(anew, events.next()).await else {
            known = false;
            continue;
        };
        match event.and_then(|event| read(&event)) {
            Ok(Told::News(update)) => tell(to, update).await?,
            Ok(Told::Missed) => known = false,
            Ok(Told::Other) => {}
            Err(error) => return Ok(error),
        }
    }
}

/// Asks again and again. Until it is lost, and why.
async fn asking(client: &Client, to: &Sender<Event>) -> Result<ClientError, Unheard> {
    loop {
        match everything(client).await {
            Ok(all) => tell(to, Update::All(Box::new(all))).await?,
            Err(error) => return Ok(error),
        }
        tell(to, Update::Link(Link::Asking(EVERY.as_secs()))).await?;
        sleep(EVERY).await;
    }
}

/// All at once. Changes while it is read may be in one part of it and not in another.
pub(super) async fn everything(client: &Client) -> Result<Everything, ClientError> {
    let jobs = async |states: &str| {
        let path = format!("{}?state={states}&limit={PAGE}", routes::JOBS);
        client.get::<JobPage>(&path).await.map(|page| page.jobs)
    };
    let hold_offs = async {
        match client.get::<Vec<HoldOff>>(routes::HOLD_OFFS).await {
            Err(error) if is_absent(&error) => Ok(None),
            answer => answer.map(Some),
        }
    };
    let status = client.status().await?;
    let instances = client.instances().await?;
    let mut all = jobs("locked,running").await?;
    all.extend(jobs("queued").await?);
    Ok(Everything { status, instances, jobs: all, hold_offs: hold_offs.await? })
}

enum Told {
    News(Update),
    /// More than was told has changed.
    Missed,
    /// Of a newer server.
    Other,
}

fn read(event: &ServerEvent) -> Result<Told, ClientError> {
    fn data<T: DeserializeOwned>(event: &ServerEvent) -> Result<T, ClientError> {
        serde_json::from_str(&event.data).map_err(|source| ClientError::Strange { status: 200, source })
    }
    Ok(Told::News(match event.name.as_str() {
        "status" => Update::Status(Box::new(data::<PoolStatus>(event)?)),
        "jobs" => Update::Jobs(data::<JobsChanged>(event)?.changed),
        "instances" => {
            let InstancesChanged { changed, gone, creating } = data(event)?;
            Update::Instances { changed, gone, creating }
        }
        "hold_offs" => Update::HoldOffs(data(event)?),
        "missed" => return Ok(Told::Missed),
        _ => return Ok(Told::Other),
    }))
}
