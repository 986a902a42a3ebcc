//! What the program tells the people who started it.

use std::{
    fmt::Display,
    io::{Write as _, stderr},
};

/// One line to standard error. Whether that can be written changes nothing: its disk may be full, its terminal closed.
/// (`eprintln!` would panic.)
pub(crate) fn say(line: impl Display) {
    drop(writeln!(stderr(), "{line}"));
}
