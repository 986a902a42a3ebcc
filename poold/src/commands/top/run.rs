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
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

/// Events that wait while the screen is painted: whoever tells more waits too, and so does the server.
const WAITING: usize = 64;
/// Events that are taken before all is painted again.
const AT_ONCE: usize = 256;
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
        // Before the screen is taken: from then on a signal must not end this process by itself.
        let signals = Signals::new()?;
        let mut screen = Screen::take()?;
        // Here it is said at once that the server has gone.
        screen_loop(&mut screen, signals, Arc::new(client.impatient())).await
    }
}

/// What asks this process to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let of = |kind| signal(kind).map_err(Failure::Output);
        Ok(Self {
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
            hangup: of(SignalKind::hangup())?,
        })
    }

    /// Until one of them comes. Cancel safety: none is lost.
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

async fn screen_loop(screen: &mut Screen, mut signals: Signals, client: Arc<Client>) -> Result<u8, Failure> {
    let (to, mut events) = mpsc::channel(WAITING);
    let mut world = World::new(Arc::clone(&client), to.clone());
    let mut news = tokio::spawn(async move { live::follow(&client, to).await });
    let mut keys = EventStream::new();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let size = screen.size().map_err(Failure::Output)?;
    let mut state = State::new((size.width, size.height), Moment::now());
    let ended = loop {
        screen.draw(|frame| draw(&state, frame)).map_err(Failure::Output)?;
        // Cancel safety: what is not taken here is taken the next time.
        let event = tokio::select! {
            () = signals.recv() => break INTERRUPTED,
            // It goes on for as long as this listens: what would be painted from now on would not be true.
            _ = &mut news => return Err(Failure::Failed("nothing is told of the pool any longer".to_owned())),
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
        // All that has come is shown at once, though keys are not kept waiting by what comes meanwhile.
        for _ in 1..AT_ONCE {
            let Ok(event) = events.try_recv() else { break };
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
