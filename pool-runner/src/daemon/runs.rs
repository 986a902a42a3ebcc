//! The runs that this worker knows, on disk and in memory.

use super::{
    clearing,
    keepers::{KeeperId, Keepers, Said},
    open_files::OpenFiles,
    places::{self, Place, Places},
};
use crate::{
    error::{RunnerError, chain},
    journal::{Content, Entry, RunRecord},
    layout::{self, Layout},
    order, text,
};
use pool_api::{InstanceSetId, JobSpec, Resources, RunId};
use pool_protocol::{Outcome, RunEnd, RunReport, RunStatus};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::net::UnixStream,
    rc::Rc,
    time::Instant,
};

/// Most runs that are kept: their reports must fit into one frame (see the test below).
const MOST_RUNS: usize = 600;

/// How a run stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// A keeper was given it and has not said yet how that went.
    Starting { control: Rc<File> },
    /// Its process runs.
    Running { control: Rc<File>, started_ms: u64 },
    /// Its keeper was killed; what is left is being ended.
    Clearing,
    /// It has ended, and its record says how.
    Ended(Box<RunEnd>),
    /// Its record cannot be read. Its keeper may live.
    Unreadable { control: Option<Rc<File>> },
}

/// One run.
#[derive(Debug)]
pub(super) struct Run {
    /// None if the record cannot be read.
    instance_set: Option<InstanceSetId>,
    resources: Resources,
    accepted_ms: u64,
    /// Its directory, if this daemon has made it.
    place: Option<Place>,
    /// How far its journal was read.
    read_to: u64,
    /// Its keeper has said that it has it.
    kept: bool,
    pub(super) phase: Phase,
}

impl Run {
    /// The way to its keeper, as long as there is one.
    pub(super) fn control(&self) -> Option<&File> {
        match &self.phase {
            Phase::Starting { control } | Phase::Running { control, .. } => Some(control),
            Phase::Unreadable { control } => control.as_deref(),
            Phase::Clearing | Phase::Ended(_) => None,
        }
    }

    pub(super) fn end(&self) -> Option<&RunEnd> {
        if let Phase::Ended(end) = &self.phase { Some(end) } else { None }
    }

    fn goes_on(&self) -> bool {
        self.control().is_some() || matches!(self.phase, Phase::Clearing)
    }

    /// Takes in what its keeper has written.
    fn take_in(&mut self, entries: impl Iterator<Item = Entry>) -> Option<News> {
        let mut news = None;
        for entry in entries {
            match entry {
                Entry::Accepted(_) => {}
                Entry::Kept(_) => self.kept = true,
                Entry::Started { at_ms } => {
                    if let Phase::Starting { control } = &self.phase {
                        self.phase = Phase::Running { control: Rc::clone(control), started_ms: at_ms };
                        news = Some(News::Started);
                    }
                }
                Entry::Ended(end) => {
                    let start_untold = matches!(news, Some(News::Started));
                    self.phase = Phase::Ended(Box::new(end));
                    news = Some(News::Ended { start_untold });
                }
            }
        }
        news
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

/// What was learnt from a keeper's line.
#[derive(Debug)]
pub(super) struct Heard {
    /// About which run, and what is new of it.
    pub(super) about: Option<(RunId, Option<News>)>,
    /// The keeper is ending.
    pub(super) gone: bool,
}

/// All runs.
#[derive(Debug)]
pub(super) struct Runs {
    layout: Layout,
    runs: BTreeMap<RunId, Run>,
    keepers: Keepers,
    places: Places,
}

impl Runs {
    /// Finds what earlier daemons have left on disk.
    pub(super) fn load(layout: &Layout) -> Result<Self, RunnerError> {
        let path = layout.runs();
        let mut runs = Self {
            layout: layout.clone(),
            runs: BTreeMap::new(),
            keepers: Keepers::new(OpenFiles::allow(MOST_RUNS)),
            places: Places::default(),
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(&path).map_err(RunnerError::file("list", &path))? {
            let name = entry.map_err(RunnerError::file("list", &path))?.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with(layout::KEEPER) {
                // Of an earlier daemon. One that keeps a run is found through that; the others have ended with their daemon.
                let _ = fs::remove_file(path.join(name));
            } else if runs.places.is_leftover(name) {
                places::delete_later(path.join(name));
            } else {
                found.extend(layout::run_of_name(name));
            }
        }
        // Once all leftovers are known: what is not a run becomes another one.
        for run in &found {
            runs.load_one(run);
        }
        Ok(runs)
    }

    fn load_one(&mut self, id: &RunId) {
        let dir = self.layout.run(id);
        // Whether the keeper lives is looked at first: what it writes before it ends is then seen below.
        let control = order::open_writer(&dir.control()).unwrap_or_default().map(Rc::new);
        let content = match Content::of(&dir.journal(), 0) {
            Ok(content) => content.unwrap_or_default(),
            Err(error) => {
                log!("{id}: its journal cannot be read: {error}");
                Content { damaged: true, ..Content::default() }
            }
        };
        let end = content.end;
        let mut run = Run {
            instance_set: None,
            resources: Resources::default(),
            accepted_ms: 0,
            place: None,
            read_to: end,
            kept: false,
            phase: Phase::Clearing,
        };
        let mut entries = content.entries.into_iter();
        match entries.next() {
            Some(Entry::Accepted(record)) => {
                (run.resources, run.accepted_ms) = (record.spec.resources, record.accepted_ms);
                run.instance_set = Some(record.instance_set);
                if let Some(control) = control {
                    run.phase = Phase::Starting { control };
                }
                run.take_in(entries);
            }
            // Nothing was acknowledged or started without a record.
            None if !content.damaged => {
                if control.is_none() {
                    self.places.remove(&self.layout, id, None);
                }
                return;
            }
            _ => {
                log!("{id}: its record cannot be read");
                run.phase = Phase::Unreadable { control };
            }
        }
        if matches!(run.phase, Phase::Clearing) {
            if !run.kept {
                return self.places.remove(&self.layout, id, None);
            }
            clearing::begin(&self.layout, &id.to_string());
        }
        self.runs.insert(id.clone(), run);
    }

    pub(super) fn get(&self, id: &RunId) -> Option<&Run> {
        self.runs.get(id)
    }

    pub(super) fn any_going_on(&self) -> bool {
        self.runs.values().any(Run::goes_on)
    }

    /// The ways to keepers that an earlier daemon has started: this one's own have their lines, which tell of their end once.
    pub(super) fn controls(&self) -> impl Iterator<Item = (&RunId, &File)> {
        let adopted = self.runs.iter().filter(|(_, run)| run.place.is_none());
        adopted.filter_map(|(id, run)| Some((id, run.control()?)))
    }

    /// What this daemon's own keepers have to say comes through these.
    pub(super) fn lines(&self) -> impl Iterator<Item = (KeeperId, &UnixStream)> {
        self.keepers.lines()
    }

    /// To be called when a keeper's line is readable, or has ended.
    pub(super) fn listen(&mut self, keeper: KeeperId, now: Instant) -> Heard {
        match self.keepers.listen(&self.layout, keeper, now) {
            Said::News(run) => {
                let news = self.look(&run);
                Heard { about: Some((run, news)), gone: false }
            }
            Said::Gone(run) => {
                let about = run.map(|run| {
                    let news = self.keeper_gone(&run);
                    (run, news)
                });
                Heard { about, gone: true }
            }
            Said::Nothing => Heard { about: None, gone: false },
        }
    }

    /// When a keeper is to be let go for which there is nothing to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.keepers.next()
    }

    /// Lets keepers go for which there is nothing to do. True if there were any.
    pub(super) fn dismiss_keepers(&mut self, now: Instant) -> bool {
        self.keepers.dismiss(&self.layout, now)
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
        let most = self.keepers.most();
        // The first is a bound of the second, and costs nothing.
        if self.runs.len() >= most && self.runs.values().filter(|run| run.goes_on()).count() >= most {
            return Err(format!(
                "{most} runs go on already: the system lets no more files be open (ulimit -n)"
            ));
        }
        let (resources, accepted_ms) = (spec.resources, text::now_ms());
        let record = RunRecord { instance_set: set.clone(), run: id.clone(), spec, accepted_ms };
        let made = self.places.make(&self.layout, id, &Entry::Accepted(record));
        let (place, read_to) = made.map_err(|error| text::reason(&chain(&error)))?;
        match self.keepers.give(&self.layout, id) {
            Ok(control) => {
                let run = Run {
                    place: Some(place),
                    instance_set: Some(set.clone()),
                    resources,
                    accepted_ms,
                    read_to,
                    kept: false,
                    phase: Phase::Starting { control },
                };
                self.runs.insert(id.clone(), run);
                Ok(())
            }
            Err(error) => {
                self.places.remove(&self.layout, id, Some(place));
                Err(text::reason(&chain(&error)))
            }
        }
    }

    /// Looks at what the keeper has written.
    pub(super) fn look(&mut self, id: &RunId) -> Option<News> {
        let run = self.runs.get_mut(id)?;
        if matches!(run.phase, Phase::Ended(_) | Phase::Unreadable { .. }) {
            return None;
        }
        match Content::of(&self.layout.run(id).journal(), run.read_to) {
            // Its job has deleted it, and its keeper, which would have restored it, was killed.
            Ok(None) if matches!(run.phase, Phase::Clearing) => {
                run.phase = Phase::Unreadable { control: None };
                None
            }
            Ok(content) => {
                let content = content?;
                run.read_to = content.end;
                run.take_in(content.entries.into_iter())
            }
            Err(error) => {
                log!("{id}: its journal cannot be read: {error}");
                run.phase = Phase::Unreadable { control: None };
                None
            }
        }
    }

    /// To be called when a keeper has ended.
    pub(super) fn keeper_gone(&mut self, id: &RunId) -> Option<News> {
        let news = self.look(id);
        // The usual case: it has ended because its run has.
        if matches!(news, Some(News::Ended { .. })) {
            return news;
        }
        let run = self.runs.get_mut(id)?;
        match &mut run.phase {
            // Unless its job has deleted the journal, and so was started.
            Phase::Starting { .. } if !run.kept && self.layout.run(id).journal().exists() => {
                let place = run.place.take();
                self.runs.remove(id);
                self.places.remove(&self.layout, id, place);
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
                let run = self.runs.remove(id);
                // What its keeper has not seen to the end may have left something that is still at work in it.
                let seen = |run: &Run| run.end().is_some_and(|end| end.outcome != Outcome::Unknown);
                let place = run.filter(seen).and_then(|run| run.place);
                self.places.remove(&self.layout, id, place);
            }
            None => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_api::JobId;
    use pool_protocol::{StreamSize, ToPool};

    #[test]
    fn what_an_earlier_daemon_has_left_is_not_used_while_it_is_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        layout.create().unwrap();
        let left = layout.run_named(".spare-1");
        fs::create_dir_all(left.work()).unwrap();
        fs::write(left.output(pool_protocol::OutputStream::Stdout), "of an earlier run").unwrap();
        // So that its deletion takes a while.
        for number in 0..3000 {
            fs::write(left.work().join(number.to_string()), "").unwrap();
        }
        let mut runs = Runs::load(&layout).unwrap();
        let id = RunId::new(JobId::new("a").unwrap(), 1);
        let instance_set = InstanceSetId::new("set").unwrap();
        let spec = JobSpec::new(["true"]);
        let record = RunRecord { instance_set, run: id.clone(), spec, accepted_ms: 7 };
        runs.places.make(&layout, &id, &Entry::Accepted(record)).unwrap();
        while left.path().exists() {
            std::thread::yield_now();
        }
        let dir = layout.run(&id);
        let mut names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["journal", "tmp", "work"]);
        assert_eq!(fs::read_dir(dir.work()).unwrap().count(), 0);
    }

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
