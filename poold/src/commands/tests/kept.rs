//! Runs a command as its arguments say, and keeps what it prints.

use crate::{
    client::{Client, Target},
    commands::{console::Console, failure::Failure},
    http::tests::fake::Serving,
};
use clap::{Args, Parser};
use pool_core::OutputStream;
use std::{
    io,
    sync::{Arc, Mutex},
};
use tokio::sync::watch;

/// Takes the place of standard output and standard error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) is_terminal: bool,
    /// Standard output is closed after so many writes.
    pub(crate) closes_after: Option<usize>,
    pub(super) written: Arc<Mutex<[Vec<u8>; 2]>>,
    /// To standard output; tells of each to either.
    pub(super) writes: Arc<watch::Sender<usize>>,
}

impl Kept {
    pub(crate) fn write(&self, stream: OutputStream, data: &[u8]) -> io::Result<()> {
        let to_stdout = stream == OutputStream::Stdout;
        if to_stdout && self.closes_after.is_some_and(|most| *self.writes.borrow() >= most) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.written.lock().unwrap()[stream as usize].extend_from_slice(data);
        self.writes.send_modify(|writes| *writes += usize::from(to_stdout));
        Ok(())
    }

    /// Waits until this was printed.
    pub(crate) async fn until(&self, stream: OutputStream, part: &str) {
        self.writes.subscribe().wait_for(|_| self.text(stream).contains(part)).await.unwrap();
    }

    pub(crate) fn text(&self, stream: OutputStream) -> String {
        String::from_utf8(self.written.lock().unwrap()[stream as usize].clone()).unwrap()
    }
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) code: u8,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Came {
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

#[derive(Parser)]
struct Line<T: Args> {
    #[command(flatten)]
    arguments: T,
}

/// As `poold COMMAND ARGUMENTS…` parses them.
pub(crate) fn parse<T: Args>(arguments: &[&str]) -> Result<T, String> {
    let all = std::iter::once(&"poold").chain(arguments);
    Line::<T>::try_parse_from(all).map(|line| line.arguments).map_err(|error| error.to_string())
}

/// What `run` would do with what came.
pub(crate) fn came(kept: &Kept, json: bool, result: Result<u8, Failure>) -> Came {
    let code = result.unwrap_or_else(|failure| {
        Console::Kept(kept.clone()).report(&failure, json);
        failure.exit_code()
    });
    Came { code, stdout: kept.text(OutputStream::Stdout), stderr: kept.text(OutputStream::Stderr) }
}

/// Where a command asks.
pub(crate) trait Asked {
    fn client(&self) -> Client;
}

impl Asked for Serving {
    fn client(&self) -> Client {
        Client::new(Target::Socket(self.dir.path().to_owned()))
    }
}

/// Runs a command on a served fake.
macro_rules! run {
    ($arguments:ty, $serving:expr, $kept:expr, [$($argument:expr),* $(,)?] $(, $before:expr)?) => {{
        let mut arguments = $crate::commands::tests::parse::<$arguments>(&[$($argument),*]).unwrap();
        let kept: $crate::commands::tests::Kept = $kept;
        arguments.place.console = $crate::commands::console::Console::Kept(kept.clone());
        let json = arguments.place.json;
        let client = $crate::commands::tests::Asked::client($serving);
        let result = arguments.run($($before,)? client).await;
        $crate::commands::tests::kept::came(&kept, json, result)
    }};
}
pub(crate) use run;
