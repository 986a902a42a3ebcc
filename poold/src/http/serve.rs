//! The server: connections, their bound and their end.

use super::{listen::Listener, measured::Measured, router::router};
use crate::api::Service;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{future::Future, io, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::UnixStream,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

/// More wait until one ends.
const MAX_CONNECTIONS: usize = 256;
/// For the head of a request, from the moment that one could come. Connections without any are closed.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// For what is under way when it is to stop.
const GRACE: Duration = Duration::from_secs(2);
/// After a failure to accept, as when there are no file descriptors: they come back as connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` ends, and then for up to two seconds what is under way.
///
/// # Errors
/// None at present: what fails on one connection ends that connection.
///
/// # Cancel safety
/// Dropping it breaks all connections off.
pub(crate) async fn serve(
    service: Arc<dyn Service>,
    listener: Listener,
    measured: Measured,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let router = measured.around(router(service));
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = async {
            // A closed semaphore: there is no such.
            let permit = Arc::clone(&room).acquire_owned().await.ok();
            (permit, listener.socket.accept().await)
        };
        // Cancel safety: a permit without a connection is given back, and accept loses none.
        let (permit, accepted) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, router.clone(), stopping.clone());
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
    // From here on clients find no socket, and know that they may come again.
    drop(listener);
    stop.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, all_ended).await.is_err() {
        tracing::debug!(left = connections.len(), "connections are broken off");
        connections.shutdown().await;
    }
    Ok(())
}

async fn connection(stream: UnixStream, router: Router, mut stopping: watch::Receiver<bool>) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = pin!(served);
    // An error is the end of the server, too. What it returns holds a lock.
    let stopped = async { drop(stopping.wait_for(|stop| *stop).await) };
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = stopped => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        // Mostly clients that went away.
        tracing::debug!(%error, "a connection ended early");
    }
}
