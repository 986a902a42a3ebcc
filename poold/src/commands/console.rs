//! Where commands print.

use super::{
    failure::Failure,
    harmless::{harmless_json, harmless_text},
};
use comfy_table::Table;
use pool_core::OutputStream;
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write};

/// Standard output and standard error. Everything is written through to whoever reads it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Console {
    /// This process' own.
    #[default]
    Process,
    /// Kept for a test.
    #[cfg(test)]
    Kept(super::tests::Kept),
}

impl Console {
    pub(super) fn is_terminal(&self, stream: OutputStream) -> bool {
        match (self, stream) {
            (Self::Process, OutputStream::Stdout) => io::stdout().is_terminal(),
            (Self::Process, OutputStream::Stderr) => io::stderr().is_terminal(),
            #[cfg(test)]
            (Self::Kept(kept), _) => kept.is_terminal,
        }
    }

    /// As it is.
    pub(super) fn write(&self, stream: OutputStream, data: &[u8]) -> Result<(), Failure> {
        let write = |out: &mut dyn Write| out.write_all(data).and_then(|()| out.flush());
        let written = match (self, stream) {
            (Self::Process, OutputStream::Stdout) => write(&mut io::stdout().lock()),
            (Self::Process, OutputStream::Stderr) => write(&mut io::stderr().lock()),
            #[cfg(test)]
            (Self::Kept(kept), _) => kept.write(stream, data),
        };
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Closed,
            _ => Failure::Output(error),
        })
    }

    /// To standard output.
    pub(crate) fn print(&self, text: impl AsRef<str>) -> Result<(), Failure> {
        self.write(OutputStream::Stdout, text.as_ref().as_bytes())
    }

    pub(crate) fn print_json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Output(error.into()))?;
        self.print(harmless_json(&text) + "\n")
    }

    pub(super) fn print_table(&self, table: &Table) -> Result<(), Failure> {
        let mut text = String::new();
        for line in table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        self.print(text)
    }

    /// To people, on standard error. Whether anybody reads it changes nothing.
    pub(crate) fn say(&self, text: &str) {
        drop(self.write(OutputStream::Stderr, format!("poold: {}\n", harmless_text(text)).as_bytes()));
    }

    /// What went wrong, on standard error.
    pub(crate) fn report(&self, failure: &Failure, json: bool) {
        match failure {
            Failure::Closed => {}
            _ if json => {
                let text = harmless_json(&failure.json().to_string()) + "\n";
                drop(self.write(OutputStream::Stderr, text.as_bytes()));
            }
            _ => self.say(&failure.text()),
        }
    }
}
