//! What the pool has told the runner, kept on disk.

use crate::{error::RunnerError, files, layout::Layout};
use pool_api::InstanceSetId;
use pool_protocol::HelloToRunner;
use serde::{Deserialize, Serialize};
use std::{io, time::Duration};

const NAME: &str = "settings.json";
/// More than it can be long: a power-off command of [`LONGEST_POWER_OFF`] bytes, escaped, and some numbers.
const RESERVED: usize = 16 * 1024;
/// Longest power-off command that is taken, in bytes.
pub(super) const LONGEST_POWER_OFF: usize = 2000;
/// How long a daemon stays that was started but never greeted by a pool.
const NEVER_GREETED: Duration = Duration::from_secs(600);

/// What the pool has told. None before the first hello.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Settings {
    layout: Layout,
    told: Option<Told>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) instance_set: InstanceSetId,
    /// The highest ever seen.
    pub(super) epoch: u64,
    pub(super) held: bool,
    pub(super) orphan_timeout_ms: u64,
    pub(super) power_off: Option<String>,
}

impl Settings {
    pub(super) fn load(layout: &Layout) -> Result<Self, RunnerError> {
        let path = layout.dir().join(NAME);
        let told = match files::read_json(&path) {
            Ok(told) => told,
            Err(error) => match error.downcast::<serde_json::Error>() {
                // Not passed over: a forgotten epoch would let a program in that must stay out.
                Ok(source) => return Err(RunnerError::Damaged { path, source }),
                Err(source) => return Err(RunnerError::File { what: "read", path, source }),
            },
        };
        if let Err(source) = files::reserve(&layout.dir(), NAME, RESERVED) {
            log!("no space is left for the settings: {source}");
        }
        Ok(Self { layout: layout.clone(), told })
    }

    pub(super) fn told(&self) -> Option<&Told> {
        self.told.as_ref()
    }

    /// Takes what an accepted hello says. On disk when this returns.
    pub(super) fn take(&mut self, hello: &HelloToRunner) -> io::Result<()> {
        self.store(Told {
            instance_set: hello.instance_set.clone(),
            epoch: hello.epoch,
            held: hello.held,
            orphan_timeout_ms: hello.orphan_timeout_ms,
            power_off: hello.power_off.clone(),
        })
    }

    /// Held or not. On disk when this returns.
    pub(super) fn hold(&mut self, held: bool) -> io::Result<()> {
        match self.told.clone() {
            Some(told) => self.store(Told { held, ..told }),
            None => Ok(()),
        }
    }

    fn store(&mut self, told: Told) -> io::Result<()> {
        if self.told.as_ref() != Some(&told) {
            files::publish(&self.layout.dir(), NAME, &serde_json::to_vec(&told)?)?;
            self.told = Some(told);
            // The space of the old file is free again. If somebody else has taken it: that is for the next time.
            let _ = files::reserve(&self.layout.dir(), NAME, RESERVED);
        }
        Ok(())
    }

    /// How long without a session until the worker is orphaned; none when it is held.
    pub(super) fn orphan_timeout(&self) -> Option<Duration> {
        match &self.told {
            None => Some(NEVER_GREETED),
            Some(told) if told.held => None,
            Some(told) => Some(Duration::from_millis(told.orphan_timeout_ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn hello(epoch: u64, held: bool) -> HelloToRunner {
        HelloToRunner {
            version: 1,
            oldest_version: 1,
            instance_set: InstanceSetId::new("set").unwrap(),
            epoch,
            orphan_timeout_ms: 5,
            held,
            power_off: Some("halt".into()),
        }
    }

    #[test]
    fn what_was_told_is_known_to_the_next_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        layout.create().unwrap();
        let mut settings = Settings::load(&layout).unwrap();
        assert_eq!(settings.orphan_timeout(), Some(NEVER_GREETED));
        settings.take(&hello(7, false)).unwrap();
        settings.hold(true).unwrap();
        let next = Settings::load(&layout).unwrap();
        assert_eq!(next, settings);
        assert_eq!(next.told().unwrap().epoch, 7);
        assert_eq!(next.orphan_timeout(), None);
    }

    #[test]
    fn a_damaged_file_is_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        layout.create().unwrap();
        fs::write(layout.dir().join(NAME), "{").unwrap();
        let error = Settings::load(&layout).unwrap_err();
        assert!(matches!(error, RunnerError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("settings.json"), "{error}");
    }
}
