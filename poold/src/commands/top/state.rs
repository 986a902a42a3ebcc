//! The screen, as data: what has happened goes in, what is to be asked comes out. It reads no clock and draws nothing.

use super::{
    event::{Action, Answer, Ask, Event, Link, Update},
    layout::Areas,
    output::Output,
    view::{Filter, JobKey, Pool, WorkerKey},
};
use crate::job::Moment;

/// A part of the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pane {
    Workers,
    Jobs,
    HoldOffs,
}

impl Pane {
    pub(super) const ALL: [Self; 3] = [Self::Workers, Self::Jobs, Self::HoldOffs];
}

/// Where somebody looks in a list.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) filter: Filter,
    pub(super) selected: usize,
    /// The first row that is shown.
    pub(super) top: usize,
}

/// What lies over the lists.
#[derive(Debug)]
pub(super) enum Over {
    Nothing,
    Help,
    /// A filter is being typed.
    Filter,
    Details {
        title: String,
        lines: Vec<String>,
        top: usize,
    },
    /// Asks for a reason, and so whether it is meant.
    Prompt {
        action: Action,
        reason: String,
    },
    Output(Output),
}

/// All of it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) pool: Pool,
    /// As they are shown: filtered, in order.
    pub(super) workers: Vec<WorkerKey>,
    pub(super) jobs: Vec<JobKey>,
    pub(super) hold_offs: Vec<[String; 3]>,
    pub(super) pane: Pane,
    pub(super) lists: [List; 3],
    pub(super) over: Over,
    pub(super) link: Link,
    /// Of the last thing that was done, until the next key.
    pub(super) message: Option<String>,
    pub(super) now: Moment,
    pub(super) size: (u16, u16),
}

impl State {
    pub(super) fn new(size: (u16, u16), now: Moment) -> Self {
        Self {
            pool: Pool::default(),
            workers: Vec::new(),
            jobs: Vec::new(),
            hold_offs: Vec::new(),
            pane: Pane::Workers,
            lists: Default::default(),
            over: Over::Nothing,
            link: Link::Connecting,
            message: None,
            now,
            size,
        }
    }

    /// Takes in what has happened. What is asked for in turn is to be done in this order.
    pub(super) fn apply(&mut self, event: Event) -> Vec<Ask> {
        let asks = match event {
            Event::Key(key) => return self.key(key),
            Event::Size(columns, lines) => {
                self.size = (columns, lines);
                Vec::new()
            }
            Event::Now(now) => {
                self.now = now;
                self.hold_offs = self.pool.hold_off_cells(now);
                Vec::new()
            }
            Event::Update(update) => {
                self.update(update);
                Vec::new()
            }
            Event::Answer(answer) => {
                self.answer(answer);
                Vec::new()
            }
        };
        self.settle();
        asks
    }

    fn update(&mut self, update: Update) {
        match update {
            Update::All(all) => {
                self.pool.replace(*all);
                self.show_workers();
                self.show_jobs();
            }
            Update::Jobs(changed) => {
                self.pool.change_jobs(changed);
                self.show_jobs();
            }
            Update::Instances { changed, gone, creating } => {
                self.pool.change_instances(changed, &gone, creating);
                self.show_workers();
            }
            Update::Status(status) => self.pool.status = Some(*status),
            Update::HoldOffs(hold_offs) => self.pool.hold_offs = Some(hold_offs),
            Update::Link(link) => {
                let was_lost = matches!(self.link, Link::Lost(_)) && self.pool.status.is_some();
                if was_lost && !matches!(link, Link::Lost(_)) {
                    self.message = Some("connected again".to_owned());
                }
                self.link = link;
            }
        }
        self.hold_offs = self.pool.hold_off_cells(self.now);
    }

    /// Who has selected a worker goes on to have selected it, wherever it stands now.
    pub(super) fn show_workers(&mut self) {
        let list = &mut self.lists[Pane::Workers as usize];
        let was = self.workers.get(list.selected).and_then(|key| key.id().cloned());
        self.workers = self.pool.workers(&list.filter, self.now);
        if let Some(was) = was
            && let Some(at) = self.workers.iter().position(|key| key.id() == Some(&was))
        {
            list.selected = at;
        }
    }

    /// The same of jobs.
    pub(super) fn show_jobs(&mut self) {
        let list = &mut self.lists[Pane::Jobs as usize];
        let was = self.jobs.get(list.selected).map(|key| key.number);
        self.jobs = self.pool.jobs(&list.filter, self.now);
        if let Some(was) = was
            && let Some(at) = self.jobs.iter().position(|key| key.number == was)
        {
            list.selected = at;
        }
    }

    fn answer(&mut self, answer: Answer) {
        match answer {
            Answer::Done(text) => self.message = Some(text),
            Answer::Failed(text) => {
                // Else it would go on to say that it comes.
                if let Over::Details { lines, .. } = &mut self.over
                    && lines.is_empty()
                {
                    self.over = Over::Nothing;
                }
                self.message = Some(text);
            }
            Answer::Details { job, text } => {
                if let Over::Details { title, lines, .. } = &mut self.over
                    && title == job.as_str()
                {
                    *lines = text.lines().map(str::to_owned).collect();
                }
            }
            Answer::Output { job, stream, text } => {
                if let Some(output) = self.output(&job, stream) {
                    output.push(&text);
                }
            }
            Answer::OutputEnded { job, stream, remark } => {
                if let Some(output) = self.output(&job, stream) {
                    output.remark = Some(remark);
                }
            }
        }
    }

    fn output(&mut self, job: &pool_core::JobId, stream: pool_core::OutputStream) -> Option<&mut Output> {
        match &mut self.over {
            Over::Output(output) if output.job == *job && output.stream == stream => Some(output),
            _ => None,
        }
    }

    pub(super) fn rows(&self, pane: Pane) -> usize {
        match pane {
            Pane::Workers => self.workers.len(),
            Pane::Jobs => self.jobs.len(),
            Pane::HoldOffs => self.hold_offs.len(),
        }
    }

    /// Selections are on rows that there are, and in sight.
    pub(super) fn settle(&mut self) {
        let areas = Areas::of(self);
        for pane in Pane::ALL {
            let rows = self.rows(pane);
            let page = areas.page(pane).max(1);
            let list = &mut self.lists[pane as usize];
            list.selected = list.selected.min(rows.saturating_sub(1));
            let lowest = (list.selected + 1).saturating_sub(page);
            list.top = list.top.clamp(lowest, list.selected).min(rows.saturating_sub(page));
        }
    }
}
