//! The screen from its state.

use super::{
    event::{Action, Link},
    keys::HELP,
    layout::{Areas, MAX_PROBLEMS},
    state::{Over, Pane, State},
    view::{Column, HOLD_OFFS, JOBS, WORKERS, job_cells, worker_cells},
};
use crate::commands::{harmless::harmless_line, print::ago, status::counts};
use ratatui::{
    Frame,
    layout::{Constraint, Position, Rect},
    style::{Color, Modifier, Style, Stylize as _},
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph, Row, Table},
};

const TITLE: Style = Style::new().add_modifier(Modifier::BOLD);
const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);
const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
const WARN: Style = Style::new().fg(Color::Yellow);
const QUIET: Style = Style::new().add_modifier(Modifier::DIM);

pub(super) fn draw(state: &State, frame: &mut Frame<'_>) {
    let areas = Areas::of(state);
    head(state, frame, areas.head);
    for pane in Pane::ALL {
        let area = areas.panes[pane as usize];
        if area.height > 0 {
            list(state, frame, area, pane);
        }
    }
    over(state, frame, &areas);
    foot(state, frame, areas.foot);
}

fn head(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let link = match &state.link {
        Link::Connecting => Span::raw("connecting"),
        Link::Live => Span::styled("live", Style::new().fg(Color::Green)),
        Link::Asking(seconds) => Span::raw(format!("every {seconds} s")),
        Link::Lost(why) => Span::styled(format!("NOT CONNECTED: {}", harmless_line(why)), BAD),
    };
    let mut first = vec![Span::styled("poold", TITLE), Span::raw("  ")];
    let mut lines = Vec::new();
    match &state.pool.status {
        None => {
            first.push(link);
            lines.push(Line::from(first));
        }
        Some(status) => {
            first.push(link);
            let what = format!(
                "  {} ({}), release {}, started {}",
                status.instance_set,
                status.driver,
                status.release,
                ago(status.started_at, state.now)
            );
            first.push(Span::raw(harmless_line(&what)));
            lines.push(Line::from(first));
            let counted = format!(
                "jobs: {}   instances: {}   {:.4} an hour",
                counts(&status.jobs),
                counts(&status.instances),
                status.price_per_hour
            );
            lines.push(Line::raw(harmless_line(&counted)));
            let mut limits = Vec::new();
            if !status.loaded {
                limits.push("the instances have not been listed yet".to_owned());
            }
            if status.at_provider_quota {
                limits.push("the provider's quota is used up".to_owned());
            }
            if status.at_max_instances {
                limits.push("max_instances reached".to_owned());
            }
            if !status.at_capacity.is_empty() {
                let types: Vec<&str> = status.at_capacity.iter().map(AsRef::as_ref).collect();
                limits.push(format!("no capacity: {}", types.join(", ")));
            }
            if !limits.is_empty() {
                lines.push(Line::styled(harmless_line(&limits.join("; ")), WARN));
            }
            for (at, problem) in status.problems.iter().take(MAX_PROBLEMS).enumerate() {
                let more = status.problems.len() - MAX_PROBLEMS.min(status.problems.len());
                let rest = if at + 1 == MAX_PROBLEMS && more > 0 {
                    format!(" (and {more} more)")
                } else {
                    String::new()
                };
                lines.push(Line::styled(harmless_line(&format!("problem{rest}: {problem}")), BAD));
            }
        }
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// Where there is room for fewer columns than these as wide as they need to be, they are narrower.
const LEAST_COLUMNS: usize = 3;

/// The widths of the columns that there is room for. The last one takes what is left.
fn fit(columns: &[Column], width: u16) -> Vec<u16> {
    let fitting = |wanted: fn(&Column) -> u16| {
        let mut room = width;
        let widths = columns.iter().map(wanted).take_while(|wanted| {
            let fits = room >= *wanted;
            room = room.saturating_sub(wanted + 1);
            fits
        });
        widths.collect::<Vec<_>>()
    };
    let wide = fitting(|(_, _, wide)| *wide);
    if wide.len() >= LEAST_COLUMNS { wide } else { fitting(|(_, narrow, _)| *narrow) }
}

fn list(state: &State, frame: &mut Frame<'_>, area: Rect, pane: Pane) {
    let areas = Areas::of(state);
    let (columns, name): (&[Column], _) = match pane {
        Pane::Workers => (&WORKERS, "Workers"),
        Pane::Jobs => (&JOBS, "Jobs"),
        Pane::HoldOffs => (&HOLD_OFFS, "Held off"),
    };
    let list = &state.lists[pane as usize];
    let focused = state.pane == pane;
    title(state, frame, Rect { height: 1, ..area }, pane, name);
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let shown = list.top..(list.top + areas.page(pane)).min(state.rows(pane));
    let fitting = fit(columns, area.width);
    let count = fitting.len();
    let rows = shown.map(|at| {
        let cells: Vec<String> = match pane {
            Pane::Workers => {
                state.pool.worker(&state.workers[at]).map(|row| worker_cells(row, state.now).to_vec())
            }
            Pane::Jobs => {
                state.pool.jobs.get(&state.jobs[at].number).map(|job| job_cells(job, state.now).to_vec())
            }
            Pane::HoldOffs => state.hold_offs.get(at).map(|cells| cells.to_vec()),
        }
        .unwrap_or_default();
        let row = Row::new(cells.into_iter().take(count));
        if focused && at == list.selected { row.style(SELECTED) } else { row }
    });
    let widths = fitting.iter().enumerate().map(|(at, width)| {
        if at + 1 == count { Constraint::Min(*width) } else { Constraint::Length(*width) }
    });
    let header = Row::new(columns[..count].iter().map(|(title, ..)| *title)).style(QUIET);
    frame.render_widget(Table::new(rows, widths).header(header), below);
}

fn title(state: &State, frame: &mut Frame<'_>, area: Rect, pane: Pane, name: &str) {
    let list = &state.lists[pane as usize];
    let rows = state.rows(pane);
    let all = match pane {
        Pane::Workers => (state.pool.instances.len() + state.pool.creating.len()) as u64,
        Pane::Jobs => state.pool.unfinished(),
        Pane::HoldOffs => rows as u64,
    };
    let mut text = format!("{name} {rows}");
    if all != rows as u64 {
        text.push_str(&format!(" of {all}"));
    }
    if !list.filter.is_empty() {
        text.push_str(&format!(" with {:?}", list.filter.0.trim()));
    }
    let style = if state.pane == pane { TITLE.fg(Color::Cyan) } else { TITLE };
    let line = "─".repeat(usize::from(area.width).saturating_sub(text.chars().count() + 3));
    let title = Line::from(vec![
        Span::raw("─ "),
        Span::styled(harmless_line(&text), style),
        Span::raw(" "),
        Span::raw(line),
    ]);
    frame.render_widget(title, area);
}

fn over(state: &State, frame: &mut Frame<'_>, areas: &Areas) {
    let height = areas.over_page();
    let (title, lines): (String, Vec<Line<'_>>) = match &state.over {
        Over::Nothing | Over::Filter | Over::Prompt { .. } => return,
        Over::Help => {
            let line = |(key, does): &(&'static str, &'static str)| Line::raw(format!("{key:15} {does}"));
            ("Keys".to_owned(), HELP.iter().map(line).collect())
        }
        Over::Details { title, lines, top } => {
            let lines = match lines.is_empty() {
                true => vec![Line::raw("…")],
                false => lines.iter().skip(*top).take(height).map(|line| Line::raw(line.as_str())).collect(),
            };
            (title.clone(), lines)
        }
        Over::Output(output) => {
            let mut title = format!("{} of job {}", output.stream, output.job);
            if output.back > 0 {
                title.push_str(&format!(", {} lines before the end", output.back));
            }
            if let Some(remark) = &output.remark {
                title.push_str(&format!(" ({remark})"));
            }
            // Tabs would be no wider than nothing.
            (title, output.window(height).map(|line| Line::raw(line.replace('\t', "    "))).collect())
        }
    };
    let block = Block::bordered().title(harmless_line(&title).bold());
    frame.render_widget(Clear, areas.over);
    frame.render_widget(Paragraph::new(lines).block(block), areas.over);
}

/// What is asked before it is done.
fn question(action: &Action) -> String {
    match action {
        Action::Hold(id) => format!("Hold {id}: no more jobs, and it is kept"),
        Action::Drain(id) => format!("Drain {id}: no more jobs, and it is destroyed when it has none"),
        Action::Run(id) => format!("Let {id} get jobs again"),
        Action::Destroy(id) => format!("Destroy {id} at once, with all that runs on it"),
        Action::Kill(job) => format!("Kill job {job}"),
    }
}

fn foot(state: &State, frame: &mut Frame<'_>, area: Rect) {
    match &state.over {
        Over::Prompt { action, reason } => {
            // Where there is little room the end of what is typed is what matters.
            let before = Rect { y: area.y.saturating_sub(1), ..area };
            frame.render_widget(Clear, before);
            frame.render_widget(Line::styled(harmless_line(&format!("{}?", question(action))), WARN), before);
            typed(frame, area, "Enter: yes. Esc: no. Reason: ", reason);
        }
        Over::Filter => typed(frame, area, "Only with: ", &state.lists[state.pane as usize].filter.0),
        _ => {
            let keys = match &state.over {
                Over::Output(_) => "Esc back  Up Down PgUp PgDn Home End  o output  e errors",
                Over::Nothing => "? help  q quit  Tab pane  / filter  Enter details  o output  h d r k",
                _ => "Esc back  Up Down PgUp PgDn Home End",
            };
            let line = match &state.message {
                Some(message) => Line::styled(harmless_line(message), TITLE),
                None => Line::styled(keys, QUIET),
            };
            frame.render_widget(line, area);
        }
    }
}

fn typed(frame: &mut Frame<'_>, area: Rect, label: &str, text: &str) {
    let text = harmless_line(text);
    let room = usize::from(area.width).saturating_sub(label.len() + 1);
    let count = text.chars().count();
    let shown: String = text.chars().skip(count.saturating_sub(room)).collect();
    let line = Line::from(vec![Span::styled(label, TITLE), Span::raw(shown)]);
    let width = u16::try_from(line.width()).unwrap_or(u16::MAX);
    frame.render_widget(line, area);
    frame.set_cursor_position(Position::new((area.x + width).min(area.right().saturating_sub(1)), area.y));
}
