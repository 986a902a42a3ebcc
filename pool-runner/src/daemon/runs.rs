//! The runs that this worker knows, on disk and in memory.

use super::clearing;
use crate::{
    error::{RunnerError, chain},
    files,
    layout::{self, Layout, RunDir},
    order, program,
    record::{RunRecord, StartRecord},
    text,
};
use pool_api::{InstanceSetId, JobSpec, Resources, RunId};
use pool_protocol::{OutputStream, RunEnd, RunReport, RunStatus};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    process::Stdio,
    thread,
};

/// Most runs that are kept: their reports must fit into one frame (see the test below).
const MOST_RUNS: usize = 600;
/// More than an end record or a keeper's record can be long: its texts are bounded.
const RESERVED: usize = 4096;
/// How the directory of a forgotten run begins, until its content is deleted.
const TRASH: &str = ".trash-";

/// How a run stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// Its keeper was started and has not said yet how that went.
    Starting { control: File },
    /// Its process runs.
    Running { control: File, started_ms: u64 },
    /// Its keeper was killed; what is left is being ended.
    Clearing,
    /// It has ended, and its record says how.
    Ended(Box<RunEnd>),
    /// Its record cannot be read. Its keeper may live.
    Unreadable { control: Option<File> },
}

/// One run.
#[derive(Debug)]
pub(super) struct Run {
    /// None if the record cannot be read.
    instance_set: Option<InstanceSetId>,
    resources: Resources,
    accepted_ms: u64,
    pub(super) phase: Phase,
}

impl Run {
    /// The way to its keeper, as long as there is one.
    pub(super) fn control(&self) -> Option<&File> {
        match &self.phase {
            Phase::Starting { control } | Phase::Running { control, .. } => Some(control),
            Phase::Unreadable { control } => control.as_ref(),
            Phase::Clearing | Phase::Ended(_) => None,
        }
    }

    pub(super) fn end(&self) -> Option<&RunEnd> {
        if let Phase::Ended(end) = &self.phase { Some(end) } else { None }
    }

    fn goes_on(&self) -> bool {
        self.control().is_some() || matches!(self.phase, Phase::Clearing)
    }
}

/// What a look at a run has brought to light.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum News {
    Started,
    Ended {
        /// Its process was started as well since the last look.
        start_untold: bool,
    },
    /// The keeper has ended before it could start anything. The run is unknown again.
    NeverStarted,
}

/// All runs.
#[derive(Debug)]
pub(super) struct Runs {
    layout: Layout,
    runs: BTreeMap<RunId, Run>,
    /// Numbers the trash of this daemon.
    trashed: u64,
}

impl Runs {
    /// Finds what earlier daemons have left on disk.
    pub(super) fn load(layout: &Layout) -> Result<Self, RunnerError> {
        let path = layout.runs();
        let mut runs = Self { layout: layout.clone(), runs: BTreeMap::new(), trashed: 0 };
        for entry in fs::read_dir(&path).map_err(RunnerError::file("list", &path))? {
            let name = entry.map_err(RunnerError::file("list", &path))?.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with(TRASH) {
                delete(RunDir::at(path.join(name)));
            } else if let Some(run) = layout::run_of_name(name) {
                runs.load_one(&run);
            }
        }
        Ok(runs)
    }

    fn load_one(&mut self, id: &RunId) {
        let dir = self.layout.run(id);
        // Whether the keeper lives is looked at first: what it writes before it ends is then seen below.
        let control = order::open_writer(&dir.control()).unwrap_or_default();
        let record = files::read_json::<RunRecord>(&dir.file(RunDir::RECORD));
        let (Ok(Some(_)) | Err(_)) = &record else {
            // Nothing was acknowledged or started without a record.
            if control.is_none() {
                self.trash(id);
            }
            return;
        };
        let started = control.is_some() || dir.file(RunDir::KEEPER).exists();
        let end = files::read_json::<RunEnd>(&dir.file(RunDir::END));
        let (record, phase) = match (record.ok().flatten(), end, control) {
            (Some(record), Ok(Some(end)), _) => (Some(record), Phase::Ended(Box::new(end))),
            (Some(record), Ok(None), Some(control)) => (Some(record), Phase::Starting { control }),
            (Some(_), Ok(None), None) if !started => return self.trash(id),
            (Some(record), Ok(None), None) => {
                clearing::begin(&self.layout, &id.to_string());
                (Some(record), Phase::Clearing)
            }
            (record, _, control) => {
                log!("{id}: its record cannot be read");
                (record, Phase::Unreadable { control })
            }
        };
        let run = Run {
            resources: record.as_ref().map_or_else(Resources::default, |record| record.spec.resources),
            accepted_ms: record.as_ref().map_or(0, |record| record.accepted_ms),
            instance_set: record.map(|record| record.instance_set),
            phase,
        };
        self.runs.insert(id.clone(), run);
        self.look(id);
    }

    pub(super) fn get(&self, id: &RunId) -> Option<&Run> {
        self.runs.get(id)
    }

    pub(super) fn any_going_on(&self) -> bool {
        self.runs.values().any(Run::goes_on)
    }

    /// The ways to all keepers.
    pub(super) fn controls(&self) -> impl Iterator<Item = (&RunId, &File)> {
        self.runs.iter().filter_map(|(id, run)| Some((id, run.control()?)))
    }

    /// All ended runs of the instance set.
    pub(super) fn ended(&self, set: &InstanceSetId) -> impl Iterator<Item = (&RunId, &RunEnd)> {
        self.runs
            .iter()
            .filter(move |(_, run)| run.instance_set.as_ref() == Some(set))
            .filter_map(|(id, run)| Some((id, run.end()?)))
    }

    /// Everything, for a list. A run without a readable record counts as one of `set`.
    pub(super) fn reports(&self, set: &InstanceSetId) -> Vec<RunReport> {
        let report = |(id, run): (&RunId, &Run)| RunReport {
            instance_set: run.instance_set.as_ref().unwrap_or(set).clone(),
            run: id.clone(),
            resources: run.resources,
            status: match &run.phase {
                Phase::Starting { .. } => RunStatus::Running { started_ms: run.accepted_ms },
                Phase::Running { started_ms, .. } => RunStatus::Running { started_ms: *started_ms },
                Phase::Clearing | Phase::Unreadable { .. } => RunStatus::Stale,
                Phase::Ended(end) => RunStatus::Ended { end: end.clone() },
            },
        };
        self.runs.iter().map(report).collect()
    }

    /// Records a run and starts its keeper. The run must not be known.
    ///
    /// # Errors
    /// What went wrong; nothing was started, and nothing is left.
    pub(super) fn start(&mut self, set: &InstanceSetId, id: &RunId, spec: JobSpec) -> Result<(), String> {
        if self.runs.len() >= MOST_RUNS {
            return Err(format!("{MOST_RUNS} runs are kept already: forget some"));
        }
        let record =
            RunRecord { instance_set: set.clone(), run: id.clone(), spec, accepted_ms: text::now_ms() };
        match self.record(&record).and_then(|()| self.spawn_keeper(id)) {
            Ok(control) => {
                let run = Run {
                    instance_set: Some(record.instance_set),
                    resources: record.spec.resources,
                    accepted_ms: record.accepted_ms,
                    phase: Phase::Starting { control },
                };
                self.runs.insert(id.clone(), run);
                Ok(())
            }
            Err(error) => {
                self.trash(id);
                Err(text::reason(&chain(&error)))
            }
        }
    }

    /// On disk when this returns, with room for all that must be written later.
    fn record(&self, record: &RunRecord) -> io::Result<()> {
        let dir = self.layout.run(&record.run);
        let mode = if self.layout.job_user().exists() { 0o711 } else { 0o700 };
        files::make_dir(dir.path(), mode)?;
        files::make_dir(&dir.work(), 0o700)?;
        files::make_dir(&dir.temporary(), 0o700)?;
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            files::create_private(&dir.output(stream))?;
        }
        for later in [RunDir::KEEPER, RunDir::STARTED, RunDir::END] {
            files::reserve(dir.path(), later, RESERVED)?;
        }
        order::make_fifo(&dir.control())?;
        files::replace(dir.path(), RunDir::RECORD, &serde_json::to_vec(record)?)?;
        files::sync_dir(&self.layout.runs())
    }

    fn spawn_keeper(&self, id: &RunId) -> io::Result<File> {
        let path = self.layout.run(id).control();
        let both = order::open_both(&path)?;
        let control = order::open_writer(&path)?.ok_or(io::ErrorKind::BrokenPipe)?;
        let mut command = program::command("keep", &self.layout).map_err(io::Error::other)?;
        command.arg("--run").arg(id.to_string()).stdin(both).stdout(Stdio::null());
        command.spawn()?;
        Ok(control)
    }

    /// Looks at what the keeper has written.
    pub(super) fn look(&mut self, id: &RunId) -> Option<News> {
        let dir = self.layout.run(id);
        let run = self.runs.get_mut(id)?;
        if matches!(run.phase, Phase::Ended(_) | Phase::Unreadable { .. }) {
            return None;
        }
        match files::read_json::<RunEnd>(&dir.file(RunDir::END)) {
            Ok(Some(end)) => {
                let start_untold = matches!(run.phase, Phase::Starting { .. }) && end.started_ms.is_some();
                run.phase = Phase::Ended(Box::new(end));
                return Some(News::Ended { start_untold });
            }
            Ok(None) => {}
            Err(error) => {
                log!("{id}: its end cannot be read: {error}");
                run.phase = Phase::Unreadable { control: None };
                return None;
            }
        }
        if matches!(run.phase, Phase::Starting { .. })
            && let Ok(Some(record)) = files::read_json::<StartRecord>(&dir.file(RunDir::STARTED))
            && let Phase::Starting { control } = std::mem::replace(&mut run.phase, Phase::Clearing)
        {
            run.phase = Phase::Running { control, started_ms: record.started_ms };
            return Some(News::Started);
        }
        None
    }

    /// To be called when a keeper has ended.
    pub(super) fn keeper_gone(&mut self, id: &RunId) -> Option<News> {
        let news = self.look(id);
        // The usual case: it has ended because its run has.
        if matches!(news, Some(News::Ended { .. })) {
            return news;
        }
        let begun = self.layout.run(id).file(RunDir::KEEPER).exists();
        let run = self.runs.get_mut(id)?;
        match &mut run.phase {
            Phase::Starting { .. } if !begun => {
                self.runs.remove(id);
                self.trash(id);
                Some(News::NeverStarted)
            }
            Phase::Starting { .. } | Phase::Running { .. } => {
                log!("{id}: its keeper was killed");
                run.phase = Phase::Clearing;
                clearing::begin(&self.layout, &id.to_string());
                // A start that is just noticed is told nevertheless.
                news
            }
            Phase::Unreadable { control } => {
                *control = None;
                None
            }
            Phase::Clearing | Phase::Ended(_) => None,
        }
    }

    /// Deletes a run. True unless it goes on.
    pub(super) fn forget(&mut self, id: &RunId) -> bool {
        match self.runs.get(id) {
            Some(run) if run.goes_on() => return false,
            Some(_) => {
                self.runs.remove(id);
                self.trash(id);
            }
            None => {}
        }
        true
    }

    /// Takes the directory out of the way at once; deleting what a job has left can take long.
    fn trash(&mut self, id: &RunId) {
        let dir = self.layout.run(id);
        self.trashed += 1;
        let trash = self.layout.runs().join(format!("{TRASH}{}-{}", std::process::id(), self.trashed));
        let moved = fs::rename(dir.path(), &trash).and_then(|()| files::sync_dir(&self.layout.runs()));
        match moved {
            Ok(()) => delete(RunDir::at(trash)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => log!("{id}: cannot be deleted: {error}"),
        }
    }
}

fn delete(dir: RunDir) {
    let spawned = thread::Builder::new().name("deleting".into()).spawn(move || {
        // What remains is tried again by the next daemon.
        if let Err(error) = fs::remove_dir_all(dir.path()) {
            log!("{} cannot be deleted: {error}", dir.path().display());
        }
    });
    if let Err(error) = spawned {
        log!("no thread to delete with: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_api::JobId;
    use pool_protocol::{Outcome, StreamSize, ToPool};

    #[test]
    fn the_longest_list_fits_into_a_frame() {
        // Each quotation mark takes two bytes on the wire; nothing takes more, control characters are gone.
        let reason = text::reason(&"\"".repeat(10_000));
        let report = RunReport {
            instance_set: InstanceSetId::new("s".repeat(63)).unwrap(),
            run: RunId::new(JobId::new("j".repeat(128)).unwrap(), u32::MAX),
            resources: Resources {
                cpus: pool_api::Cpus::from_millis(999_999_999),
                memory: pool_api::ByteSize(u64::MAX),
                scratch: pool_api::ByteSize(u64::MAX),
                gpus: u32::MAX,
            },
            status: RunStatus::Ended {
                end: Box::new(RunEnd {
                    outcome: Outcome::OutputFailed { reason: reason.clone() },
                    killed: Some(reason.clone()),
                    started_ms: Some(u64::MAX),
                    ended_ms: u64::MAX,
                    peak_memory: Some(u64::MAX),
                    cpu_time_ms: Some(u64::MAX),
                    stdout: StreamSize { kept: u64::MAX, cut: u64::MAX },
                    stderr: StreamSize { kept: u64::MAX, cut: u64::MAX },
                }),
            },
        };
        let frame = ToPool::Runs { request: u64::MAX, runs: vec![report; MOST_RUNS], broken: Some(reason) };
        pool_protocol::encode(&frame).unwrap();
    }
}
