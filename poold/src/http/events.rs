//! Events as a browser reads them: `text/event-stream`.

use super::{answer::Refusal, router::Shared};
use axum::{
    extract::State,
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::StreamExt as _;
use std::{convert::Infallible, time::Duration};

/// A comment is sent after so long without an event: writing it is how a reader is noticed that is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn answer(State(service): Shared) -> Result<impl IntoResponse, Refusal> {
    let events = service.events().await?;
    let events = events.map(|message| {
        Ok::<_, Infallible>(Event::default().event(message.event.as_str()).data(&*message.data))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}
