//! A run whose keeper was killed: what is left of it is ended, then its end is recorded as unknown.
//!
//! In a thread of its own: it reads all of `/proc`, perhaps again and again.

use crate::{
    journal::{Content, Entry, Journal},
    layout::{Layout, RunDir},
    order, process, text,
};
use pool_protocol::{Outcome, OutputStream, RunEnd, StreamSize};
use std::{fs, io, io::Write as _, thread, time::Duration};

/// At first; then less and less often. A process that is stuck in the kernel may take for ever to end.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Begins to clear the run with this name. The daemon is notified when its end is on disk.
pub(super) fn begin(layout: &Layout, name: &str) {
    let spawned = thread::Builder::new().name("clearing".into()).spawn({
        let (layout, name) = (layout.clone(), name.to_owned());
        move || clear(&layout, &name)
    });
    if let Err(error) = spawned {
        // The run stays stale, which is the truth; the next daemon tries again.
        log!("{name}: cannot clear what its keeper has left: {error}");
    }
}

fn clear(layout: &Layout, name: &str) {
    let dir = layout.run_named(name);
    let mut pause = FIRST_PAUSE;
    // Until nothing is left: before that, the run has not ended, and nobody may be told so.
    while let Err(error) = try_clear(&dir) {
        if pause >= LONGEST_PAUSE {
            log!("{name}: cannot clear what its keeper has left, trying again: {error}");
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    if let Ok(Some(mut file)) = order::open_writer(&layout.notify()) {
        let _ = file.write_all(format!("{name}\n").as_bytes());
    }
}

fn try_clear(dir: &RunDir) -> io::Result<()> {
    let (journal, content) = match Journal::open(&dir.journal()) {
        Ok((journal, content)) => (Some(journal), content),
        // Its job has deleted it: there is nothing to be recorded in.
        Err(error) if error.kind() == io::ErrorKind::NotFound => (None, Content::default()),
        Err(error) => return Err(error),
    };
    let (mut keeper, mut started_ms) = (None, None);
    for entry in content.entries {
        match entry {
            Entry::Kept(process) => keeper = Some(process),
            Entry::Started { at_ms } => started_ms = Some(at_ms),
            Entry::Accepted(_) | Entry::Ended(_) => {}
        }
    }
    let leftovers = process::Leftovers { keeper: keeper.as_ref(), run_dir: dir.path() };
    let found = leftovers.kill()?;
    if found > 0 {
        return Err(io::Error::other(format!("{found} processes are left")));
    }
    let size = |stream| {
        let kept = fs::metadata(dir.output(stream)).map_or(0, |meta| meta.len());
        StreamSize { kept, cut: 0 }
    };
    let end = RunEnd {
        outcome: Outcome::Unknown,
        killed: None,
        started_ms,
        ended_ms: text::now_ms(),
        peak_memory: None,
        cpu_time_ms: None,
        stdout: size(OutputStream::Stdout),
        stderr: size(OutputStream::Stderr),
    };
    journal.map_or(Ok(()), |mut journal| journal.append(&Entry::Ended(end)))
}
