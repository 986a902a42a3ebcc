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

/// An error and what it came of, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}
