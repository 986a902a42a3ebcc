//! `poold top`.

use super::{
    draw::draw,
    event::{Ask, Event},
    live,
    screen::Screen,
    state::State,
    world::World,
};
use crate::{
    cli::INTERRUPTED,
    client::Client,
    commands::{
        failure::{Failure, OK},
        place::Place,
    },
    job::Moment,
};
use clap::Args;
use crossterm::event::{Event as Terminal, EventStream};
use futures_util::StreamExt as _;
use std::{sync::Arc, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

/// How often ages are shown anew, and at most how long news waits to be shown.
const TICK: Duration = Duration::from_secs(1);

#[derive(Args, Debug)]
#[command(after_help = "\
Keys: Tab the next pane; arrows, PgUp, PgDn, Home, End; / filter; Enter details; o output of a job; h hold, d drain, r run a \
worker; k kill a job or destroy a worker; ? help; q quit.

Exit codes: 0 it was ended with q; 1 it did not work; 2 the command line makes no sense, or there is no terminal; 3 poold serve \
does not run; 130 it was ended by a signal.")]
pub(crate) struct TopArguments {
    #[command(flatten)]
    pub(crate) place: Place,
}

impl TopArguments {
    pub(crate) async fn run(self, client: Client) -> Result<u8, Failure> {
        if self.place.json {
            return Err(Failure::Input("poold top has no --json: use `poold status --json`".to_owned()));
        }
        Screen::check()?;
        // What is wrong from the beginning is said as by every command.
        client.status().await?;
        let mut screen = Screen::take()?;
        // Here it is said at once that the server has gone.
        screen_loop(&mut screen, Arc::new(client.impatient())).await
    }
}

async fn screen_loop(screen: &mut Screen, client: Arc<Client>) -> Result<u8, Failure> {
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [mut interrupt, mut terminate, mut hangup] =
        signals.map(|kind| signal(kind).map_err(Failure::Output));
    let (interrupt, terminate, hangup) = (interrupt.as_mut(), terminate.as_mut(), hangup.as_mut());
    let (Ok(interrupt), Ok(terminate), Ok(hangup)) = (interrupt, terminate, hangup) else {
        return Err(Failure::Failed("signals cannot be received".to_owned()));
    };
    let (to, mut events) = mpsc::unbounded_channel();
    let mut world = World::new(Arc::clone(&client), to.clone());
    let news = tokio::spawn(async move { live::follow(&client, to).await });
    let mut keys = EventStream::new();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let size = screen.size().map_err(Failure::Output)?;
    let mut state = State::new((size.width, size.height), Moment::now());
    let ended = loop {
        screen.draw(|frame| draw(&state, frame)).map_err(Failure::Output)?;
        // Cancel safety: what is not taken here is taken the next time.
        let event = tokio::select! {
            _ = interrupt.recv() => break INTERRUPTED,
            _ = terminate.recv() => break INTERRUPTED,
            _ = hangup.recv() => break INTERRUPTED,
            key = keys.next() => match key {
                Some(Ok(Terminal::Key(key))) => Event::Key(key),
                Some(Ok(Terminal::Resize(columns, lines))) => Event::Size(columns, lines),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(Failure::Output(error)),
                None => break OK,
            },
            Some(event) = events.recv() => event,
            _ = tick.tick() => Event::Now(Moment::now()),
        };
        let mut asks = state.apply(event);
        // All that has come is shown at once.
        while let Ok(event) = events.try_recv() {
            asks.extend(state.apply(event));
        }
        if asks.contains(&Ask::Quit) {
            break OK;
        }
        for ask in asks {
            if ask == Ask::Redraw {
                screen.clear().map_err(Failure::Output)?;
            }
            world.ask(ask);
        }
    };
    news.abort();
    Ok(ended)
}
