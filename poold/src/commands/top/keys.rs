//! What keys do.

use super::{
    event::{Action, Ask},
    layout::Areas,
    output::{Begins, Output},
    state::{Over, Pane, State},
};
use crate::{
    api::JobRow,
    commands::{
        explain::Lines,
        print::{ago, resources},
    },
    job::Moment,
};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use pool_core::{InstanceId, OutputStream};

/// Longest reason that the server takes, in bytes.
const MAX_REASON: usize = 1000;
/// How much of the output that there is already is shown, in bytes.
const OUTPUT_TAIL: u64 = 256 * 1024;

/// What keys do, for the help.
pub(super) const HELP: [(&str, &str); 16] = [
    ("Tab, Shift-Tab", "the next pane, the one before"),
    ("Up, Down", "one row"),
    ("PgUp, PgDn", "one page"),
    ("Home, End", "the first row, the last"),
    ("/", "shows only rows with these words; Esc: all again"),
    ("Enter", "all about the job or the worker"),
    ("o", "the output of the job, as it comes; e: its standard error"),
    ("h", "hold: the worker gets no more jobs, and is kept"),
    ("d", "drain: it gets no more jobs, and is destroyed when it has none"),
    ("r", "run: it gets jobs again"),
    ("k", "kills the job, or destroys the worker with all that runs on it"),
    ("", "each asks for a reason first: Enter does it, Esc does not"),
    ("Ctrl-L", "paints all anew"),
    ("?", "this"),
    ("Esc", "back"),
    ("q, Ctrl-C", "ends"),
];

impl State {
    pub(super) fn key(&mut self, key: KeyEvent) -> Vec<Ask> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return vec![Ask::Quit],
            KeyCode::Char('l') if control => return vec![Ask::Redraw],
            // Others with Control are not text, and do nothing.
            KeyCode::Char(_) if control => return Vec::new(),
            _ => {}
        }
        self.message = None;
        let asks = match &mut self.over {
            Over::Nothing => self.list_key(key.code),
            Over::Help => {
                if matches!(key.code, KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | '?')) {
                    self.over = Over::Nothing;
                }
                Vec::new()
            }
            Over::Filter => {
                self.filter_key(key.code);
                Vec::new()
            }
            Over::Details { .. } => {
                self.details_key(key.code);
                Vec::new()
            }
            Over::Prompt { .. } => self.prompt_key(key.code),
            Over::Output(_) => self.output_key(key.code),
        };
        self.settle();
        asks
    }

    fn list_key(&mut self, code: KeyCode) -> Vec<Ask> {
        let page = Areas::of(self).page(self.pane).max(1);
        let pane = self.pane as usize;
        let list = &mut self.lists[pane];
        match code {
            KeyCode::Char('q') => return vec![Ask::Quit],
            KeyCode::Up => list.selected = list.selected.saturating_sub(1),
            KeyCode::Down => list.selected = list.selected.saturating_add(1),
            KeyCode::PageUp => list.selected = list.selected.saturating_sub(page),
            KeyCode::PageDown => list.selected = list.selected.saturating_add(page),
            KeyCode::Home => list.selected = 0,
            KeyCode::End => list.selected = usize::MAX,
            KeyCode::Tab => self.pane = Pane::ALL[(pane + 1) % Pane::ALL.len()],
            KeyCode::BackTab => self.pane = Pane::ALL[(pane + Pane::ALL.len() - 1) % Pane::ALL.len()],
            KeyCode::Char('?') => self.over = Over::Help,
            KeyCode::Char('/') if self.pane != Pane::HoldOffs => self.over = Over::Filter,
            KeyCode::Esc => {
                list.filter.0.clear();
                self.show_workers();
                self.show_jobs();
            }
            KeyCode::Enter => return self.details(),
            KeyCode::Char('o') => return self.show_output(OutputStream::Stdout),
            KeyCode::Char('e') => return self.show_output(OutputStream::Stderr),
            KeyCode::Char(key @ ('h' | 'd' | 'r' | 'k')) => self.prompt(key),
            _ => {}
        }
        Vec::new()
    }

    fn selected_worker(&self) -> Option<&InstanceId> {
        let list = &self.lists[Pane::Workers as usize];
        self.workers.get(list.selected)?.id()
    }

    fn selected_job(&self) -> Option<&JobRow> {
        let list = &self.lists[Pane::Jobs as usize];
        self.pool.jobs.get(&self.jobs.get(list.selected)?.number)
    }

    fn details(&mut self) -> Vec<Ask> {
        match self.pane {
            Pane::Jobs => {
                let Some(job) = self.selected_job() else { return Vec::new() };
                let id = job.id.clone();
                self.over = Over::Details { title: id.to_string(), lines: Vec::new(), top: 0 };
                vec![Ask::Details(id)]
            }
            Pane::Workers => {
                let list = &self.lists[Pane::Workers as usize];
                if let Some(row) = self.workers.get(list.selected).and_then(|key| self.pool.worker(key)) {
                    let title = row.id.as_ref().map_or("being created", InstanceId::as_str).to_owned();
                    let lines = describe(row, self.now).lines().map(str::to_owned).collect();
                    self.over = Over::Details { title, lines, top: 0 };
                }
                Vec::new()
            }
            Pane::HoldOffs => Vec::new(),
        }
    }

    fn prompt(&mut self, key: char) {
        let action = match (self.pane, key) {
            (Pane::Jobs, 'k') => self.selected_job().map(|job| Action::Kill(job.id.clone())),
            (Pane::Workers, 'h') => self.selected_worker().cloned().map(Action::Hold),
            (Pane::Workers, 'd') => self.selected_worker().cloned().map(Action::Drain),
            (Pane::Workers, 'r') => self.selected_worker().cloned().map(Action::Run),
            (Pane::Workers, _) => self.selected_worker().cloned().map(Action::Destroy),
            _ => None,
        };
        match action {
            Some(action) => self.over = Over::Prompt { action, reason: String::new() },
            None => self.message = Some("no worker is selected that this could be done to".to_owned()),
        }
    }

    fn filter_key(&mut self, code: KeyCode) {
        let filter = &mut self.lists[self.pane as usize].filter.0;
        match code {
            KeyCode::Char(c) => filter.push(c),
            KeyCode::Backspace => drop(filter.pop()),
            KeyCode::Esc => {
                filter.clear();
                self.over = Over::Nothing;
            }
            KeyCode::Enter | KeyCode::Tab => self.over = Over::Nothing,
            _ => return,
        }
        match self.pane {
            Pane::Workers => self.show_workers(),
            Pane::Jobs => self.show_jobs(),
            Pane::HoldOffs => {}
        }
    }

    fn details_key(&mut self, code: KeyCode) {
        let page = Areas::of(self).over_page();
        let Over::Details { lines, top, .. } = &mut self.over else { return };
        match code {
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => {
                self.over = Over::Nothing;
                return;
            }
            KeyCode::Up => *top = top.saturating_sub(1),
            KeyCode::Down => *top += 1,
            KeyCode::PageUp => *top = top.saturating_sub(page),
            KeyCode::PageDown => *top += page,
            KeyCode::Home => *top = 0,
            KeyCode::End => *top = lines.len(),
            _ => {}
        }
        *top = (*top).min(lines.len().saturating_sub(page));
    }

    fn prompt_key(&mut self, code: KeyCode) -> Vec<Ask> {
        let Over::Prompt { action, reason } = &mut self.over else { return Vec::new() };
        match code {
            KeyCode::Char(c) if reason.len() + c.len_utf8() <= MAX_REASON => reason.push(c),
            KeyCode::Backspace => drop(reason.pop()),
            KeyCode::Esc => {
                self.over = Over::Nothing;
                self.message = Some("nothing was done".to_owned());
            }
            KeyCode::Enter => {
                let reason = Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty());
                let ask = Ask::Do(action.clone(), reason);
                self.over = Over::Nothing;
                return vec![ask];
            }
            _ => {}
        }
        Vec::new()
    }

    fn show_output(&mut self, stream: OutputStream) -> Vec<Ask> {
        let job = match self.pane {
            Pane::Jobs => self.selected_job(),
            _ => None,
        };
        let Some(job) = job else {
            self.message = Some("no job is selected whose output could be shown".to_owned());
            return Vec::new();
        };
        let (id, from) = (job.id.clone(), begins(job));
        self.over = Over::Output(Output::new(id.clone(), stream, from));
        vec![Ask::Output(id, stream, from.of(stream))]
    }

    fn output_key(&mut self, code: KeyCode) -> Vec<Ask> {
        let page = Areas::of(self).over_page();
        let Over::Output(output) = &mut self.over else { return Vec::new() };
        let rows = isize::try_from(page).unwrap_or(isize::MAX);
        match code {
            KeyCode::Esc | KeyCode::Char('q') => {
                self.over = Over::Nothing;
                return vec![Ask::NoOutput];
            }
            KeyCode::Char(key @ ('o' | 'e')) => {
                let stream = if key == 'o' { OutputStream::Stdout } else { OutputStream::Stderr };
                if stream != output.stream {
                    let job = output.job.clone();
                    // One that has ended is not there any longer: as it was when it was last seen.
                    let row = self.pool.jobs.values().find(|shown| shown.id == job);
                    let from = row.map_or(output.from, begins);
                    *output = Output::new(job.clone(), stream, from);
                    return vec![Ask::Output(job, stream, from.of(stream))];
                }
            }
            KeyCode::Up => output.scroll(1, page),
            KeyCode::Down => output.scroll(-1, page),
            KeyCode::PageUp => output.scroll(rows, page),
            KeyCode::PageDown => output.scroll(-rows, page),
            KeyCode::Home => output.scroll(isize::MAX, page),
            KeyCode::End => output.back = 0,
            _ => {}
        }
        Vec::new()
    }
}

/// Where the ends of a job's output begin that are shown.
fn begins(job: &JobRow) -> Begins {
    Begins {
        stdout: job.stdout_size.saturating_sub(OUTPUT_TAIL),
        stderr: job.stderr_size.saturating_sub(OUTPUT_TAIL),
    }
}

/// All about a worker.
fn describe(row: &crate::api::InstanceRow, now: Moment) -> String {
    let mut text = Lines::default();
    text.some("instance", row.id.as_ref());
    text.add("type", format!("{} ({})", row.instance_type, row.provider_type));
    text.some("placement", Some(&row.placement).filter(|placement| !placement.is_empty()));
    text.some("address", row.address.as_ref());
    text.add("state", &row.worker_state);
    text.add("when idle", &row.idle_behavior);
    text.some("reason", row.reason.as_ref());
    text.some("price", row.price.map(|price| format!("{price:.4} an hour")).as_ref());
    text.some("created", row.created_at.map(|at| format!("{at} ({})", ago(at, now))).as_ref());
    text.add("reserved", resources(&row.reserved));
    text.some("last job", row.last_job.as_ref());
    for job in &row.running_jobs {
        text.add("runs", job);
    }
    text.0
}
