//! Answers that go on for as long as something happens end when their token counts no longer.

use super::{caller::Caller, gate::Gate};
use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use futures_util::{StreamExt as _, stream};
use std::{io, sync::Arc, time::Duration};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The same body; broken off when the caller's token was revoked or has expired. What is there as a whole is left as it is.
pub(super) fn watch(body: Body, gate: Arc<Gate>, caller: Caller) -> Body {
    if body.size_hint().exact().is_some() {
        return body;
    }
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watched = Watched { data: body.into_data_stream(), looks, gate, caller };
    Body::from_stream(stream::unfold(Some(watched), |watched| async { watched?.next().await }))
}

struct Watched {
    data: BodyDataStream,
    looks: Interval,
    gate: Arc<Gate>,
    caller: Caller,
}

impl Watched {
    /// What comes next, and from where to go on; nothing more after an error.
    async fn next(mut self) -> Option<(Result<Bytes, axum::Error>, Option<Self>)> {
        loop {
            // Cancel safety: a body's data and an interval lose nothing. Biased, for data may come without end.
            tokio::select! {
                biased;
                _ = self.looks.tick() => {
                    if !self.gate.knows(&self.caller) {
                        let error = io::Error::other("the token counts no longer");
                        return Some((Err(axum::Error::new(error)), None));
                    }
                }
                data = self.data.next() => return data.map(|data| (data, Some(self))),
            }
        }
    }
}
