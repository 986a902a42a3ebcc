//! The server: connections, their bound and their end.

use super::{
    carrier::{Accepted, Carrier, Peer},
    measured::Measured,
};
use crate::stopping::stopped;
use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{future::Future, pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::ServiceExt as _;

/// For the head of a request, from the moment that one could come. Connections without any are closed.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// For what is under way when it is to stop.
const GRACE: Duration = Duration::from_secs(2);
/// After a failure to accept, as when there are no file descriptors: they come back as connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` ends, and then for up to two seconds what is under way. Of more than `max_connections`, some wait
/// until others have ended. Requests have a [`Peer`] among their extensions.
///
/// # Cancel safety
/// Dropping it breaks all connections off.
pub(crate) async fn serve(
    router: Router,
    carrier: Carrier,
    max_connections: usize,
    measured: Measured,
    shutdown: impl Future<Output = ()> + Send,
) {
    let room = Arc::new(Semaphore::new(max_connections));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = async {
            // A closed semaphore: there is no such.
            let permit = Arc::clone(&room).acquire_owned().await.ok();
            (permit, carrier.accept().await)
        };
        // Cancel safety: a permit without a connection is given back, and accept loses none.
        let (permit, accepted) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((accepted, peer)) => {
                let connection = connection(accepted, peer, router.clone(), stopping.clone());
                let counted = measured.connection();
                connections.spawn(async move {
                    connection.await;
                    drop((permit, counted));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // From here on clients find nobody who listens, and know that they may come again.
    drop(carrier);
    stop.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, all_ended).await.is_err() {
        tracing::debug!(left = connections.len(), "connections are broken off");
        connections.shutdown().await;
    }
}

async fn connection(accepted: Accepted, peer: Peer, router: Router, stopping: watch::Receiver<bool>) {
    let stream = match accepted.open().await {
        Ok(stream) => stream,
        Err(error) => return tracing::debug!(%error, ?peer, "a connection did not begin"),
    };
    let answer = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), answer);
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = stopped(stopping) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        // Mostly clients that went away.
        tracing::debug!(%error, "a connection ended early");
    }
}
