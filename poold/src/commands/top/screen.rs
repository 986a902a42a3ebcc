//! The terminal: taken, and given back as it was, whatever happens.

use crate::commands::failure::Failure;
use ratatui::DefaultTerminal;
use std::{
    io::{self, IsTerminal as _},
    ops::{Deref, DerefMut},
};

/// The terminal in raw mode, on its other screen. Dropping it, and a panic, give it back.
#[derive(Debug)]
pub(super) struct Screen(DefaultTerminal);

impl Screen {
    /// Takes the terminal of this process.
    ///
    /// # Errors
    /// It cannot be used.
    pub(super) fn take() -> Result<Self, Failure> {
        // It also sees to it that a panic gives the terminal back before it says anything.
        ratatui::try_init().map(Self).map_err(|error| {
            // Some of it may have been done.
            ratatui::restore();
            Failure::Output(error)
        })
    }

    /// # Errors
    /// This process has no terminal.
    pub(super) fn check() -> Result<(), Failure> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            let text = "poold top needs a terminal, and standard input or output is none: use `poold status --json`, \
                        `poold jobs --json` and `poold instances --json` in programs";
            return Err(Failure::Input(text.to_owned()));
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

impl Deref for Screen {
    type Target = DefaultTerminal;

    fn deref(&self) -> &DefaultTerminal {
        &self.0
    }
}

impl DerefMut for Screen {
    fn deref_mut(&mut self) -> &mut DefaultTerminal {
        &mut self.0
    }
}
