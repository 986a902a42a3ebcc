//! Whether the worker says of itself that it is broken.

use crate::{layout::Layout, text};
use std::{fs::File, io, io::Read as _, time::Duration};

/// How often is looked while a pool is attached.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Why the worker should get no more work: the first line of the root's file `broken`, if there is one.
pub(super) fn reason(layout: &Layout) -> Option<String> {
    let mut bytes = Vec::new();
    let read = File::open(layout.broken()).and_then(|file| file.take(4096).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // That it is there is what counts.
        Err(error) => Some(text::reason(&format!("it says so, but not why: {error}"))),
        Ok(_) => {
            let content = String::from_utf8_lossy(&bytes);
            let line = content.lines().next().unwrap_or_default().trim();
            Some(if line.is_empty() { "it says so, but not why".into() } else { text::reason(line) })
        }
    }
}
