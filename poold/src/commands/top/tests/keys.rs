//! What keys do to the screen, and what is asked for.

use super::support::{job, press, running, state, status, worker, write};
use crate::{
    commands::top::{
        event::{Action, Answer, Ask, Event, Link, Update},
        layout::Areas,
        state::{Over, Pane, State},
    },
    job::JobState,
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use pool_core::{InstanceId, JobId, OutputStream};
use std::time::Instant;

fn id(id: &str) -> InstanceId {
    InstanceId::new(id).unwrap()
}

fn job_id(number: u64) -> JobId {
    JobId::new(format!("abcde-{number}")).unwrap()
}

fn selected(state: &State) -> String {
    let list = &state.lists[state.pane as usize];
    match state.pane {
        Pane::Workers => state.workers[list.selected].id().map_or("-", InstanceId::as_str).to_owned(),
        Pane::Jobs => state.jobs[list.selected].number.to_string(),
        Pane::HoldOffs => state.hold_offs[list.selected][1].clone(),
    }
}

#[test]
fn panes_and_rows_are_gone_through() {
    let mut state = state(80, 24);
    // By type, then by state.
    let mut seen = vec![selected(&state)];
    for _ in 0..6 {
        press(&mut state, KeyCode::Down);
        seen.push(selected(&state));
    }
    assert_eq!(seen, ["i-4", "-", "i-1", "i-2", "i-3", "i-3", "i-3"]);
    press(&mut state, KeyCode::Home);
    assert_eq!(selected(&state), "i-4");
    press(&mut state, KeyCode::End);
    assert_eq!(selected(&state), "i-3");
    press(&mut state, KeyCode::Tab);
    assert_eq!((state.pane, selected(&state).as_str()), (Pane::Jobs, "7"));
    press(&mut state, KeyCode::Tab);
    assert_eq!(selected(&state), "type large in zone-a");
    press(&mut state, KeyCode::Tab);
    press(&mut state, KeyCode::BackTab);
    assert_eq!(state.pane, Pane::HoldOffs);
    assert_eq!(write(&mut state, "q"), [Ask::Quit]);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    write(&mut state, "?");
    assert_eq!(state.apply(Event::Key(control_c)), [Ask::Quit], "also where q is not");
}

#[test]
fn a_selection_stays_with_its_row() {
    let mut state = state(80, 24);
    press(&mut state, KeyCode::End);
    let (changed, gone) = (vec![worker("i-0", "small", "idle")], vec![id("i-1"), id("i-4")]);
    state.apply(Event::Update(Update::Instances { changed, gone, creating: Vec::new() }));
    assert_eq!((selected(&state).as_str(), state.workers.len()), ("i-3", 3));
    let (changed, gone) = (Vec::new(), vec![id("i-3")]);
    state.apply(Event::Update(Update::Instances { changed, gone, creating: Vec::new() }));
    assert_eq!(selected(&state), "i-2", "its neighbour");
    press(&mut state, KeyCode::Tab);
    press(&mut state, KeyCode::Down);
    assert_eq!(selected(&state), "8");
    // The one before it ends, and another begins to run.
    let changed = vec![job(7, JobState::Complete, &["x"]), running(9, "i-2", &["true"])];
    state.apply(Event::Update(Update::Jobs(changed)));
    let numbers: Vec<u64> = state.jobs.iter().map(|key| key.number).collect();
    assert_eq!((selected(&state).as_str(), numbers), ("8", vec![9, 8]));
}

#[test]
fn a_filter_is_typed_and_taken_away() {
    let mut state = state(80, 24);
    write(&mut state, "/SMALL id");
    assert_eq!(state.workers.len(), 2);
    // What would do something is text here.
    write(&mut state, "kq");
    assert_eq!((state.workers.len(), state.rows(Pane::Workers)), (0, 0));
    assert_eq!(press(&mut state, KeyCode::Enter), []);
    assert!(matches!(state.over, Over::Nothing));
    write(&mut state, "k");
    assert!(state.message.as_deref().unwrap().contains("no worker"));
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.workers.len(), 5);
    press(&mut state, KeyCode::Tab);
    write(&mut state, "/allowed");
    press(&mut state, KeyCode::Enter);
    assert_eq!((state.jobs.len(), selected(&state).as_str()), (1, "8"));
    write(&mut state, "/");
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.jobs.len(), 3);
}

#[test]
fn what_changes_something_asks_first() {
    let mut state = state(80, 24);
    press(&mut state, KeyCode::End);
    for (key, action) in [
        ("h", Action::Hold(id("i-3"))),
        ("d", Action::Drain(id("i-3"))),
        ("r", Action::Run(id("i-3"))),
        ("k", Action::Destroy(id("i-3"))),
    ] {
        assert_eq!(write(&mut state, key), []);
        assert_eq!(write(&mut state, " quite old!"), []);
        press(&mut state, KeyCode::Backspace);
        assert_eq!(press(&mut state, KeyCode::Enter), [Ask::Do(action, Some("quite old".into()))]);
        assert!(matches!(state.over, Over::Nothing));
    }
    write(&mut state, "k");
    assert_eq!(press(&mut state, KeyCode::Esc), []);
    assert_eq!(state.message.as_deref(), Some("nothing was done"));
    write(&mut state, "k");
    assert_eq!(press(&mut state, KeyCode::Enter), [Ask::Do(Action::Destroy(id("i-3")), None)]);
    press(&mut state, KeyCode::Tab);
    write(&mut state, "k");
    assert_eq!(press(&mut state, KeyCode::Enter), [Ask::Do(Action::Kill(job_id(7)), None)]);
    for key in ["h", "d", "r"] {
        assert_eq!(write(&mut state, key), []);
        assert!(matches!(state.over, Over::Nothing), "{key} is for workers");
    }
    state.apply(Event::Answer(Answer::Failed("forbidden".into())));
    assert_eq!(state.message.as_deref(), Some("forbidden"));
}

#[test]
fn a_reason_is_not_longer_than_the_server_takes() {
    let mut state = state(80, 24);
    press(&mut state, KeyCode::End);
    write(&mut state, "k");
    write(&mut state, &"ä".repeat(600));
    let asks = press(&mut state, KeyCode::Enter);
    let [Ask::Do(_, Some(reason))] = &asks[..] else { panic!("{asks:?}") };
    assert_eq!(reason.len(), 1000);
}

#[test]
fn details_and_output_are_asked_for_and_shown_only_where_they_belong() {
    let mut state = state(80, 24);
    press(&mut state, KeyCode::Enter);
    let Over::Details { title, lines, .. } = &state.over else { panic!() };
    assert!(title == "i-4" && lines.iter().any(|line| line.contains("did not boot in time")), "{lines:?}");
    press(&mut state, KeyCode::Esc);
    press(&mut state, KeyCode::Tab);
    assert_eq!(press(&mut state, KeyCode::Enter), [Ask::Details(job_id(7))]);
    state.apply(Event::Answer(Answer::Details { job: job_id(8), text: "other".into() }));
    state.apply(Event::Answer(Answer::Details { job: job_id(7), text: "a\nb".into() }));
    let Over::Details { lines, .. } = &state.over else { panic!() };
    assert_eq!(lines, &["a", "b"]);
    press(&mut state, KeyCode::Esc);
    let from = 1024 * 1024 - 256 * 1024;
    assert_eq!(write(&mut state, "o"), [Ask::Output(job_id(7), OutputStream::Stdout, from)]);
    let piece = |job, stream, text: &str| Event::Answer(Answer::Output { job, stream, text: text.into() });
    state.apply(piece(job_id(7), OutputStream::Stdout, "hello\n"));
    state.apply(piece(job_id(7), OutputStream::Stderr, "late\n"));
    state.apply(piece(job_id(8), OutputStream::Stdout, "other\n"));
    let Over::Output(output) = &state.over else { panic!() };
    assert_eq!(output.window(10).collect::<Vec<_>>(), ["hello"]);
    assert_eq!(write(&mut state, "e"), [Ask::Output(job_id(7), OutputStream::Stderr, 0)]);
    let mut more = running(7, "i-3", &["make", "test"]);
    more.stderr_size = 256 * 1024 + 5;
    state.apply(Event::Update(Update::Jobs(vec![more])));
    assert_eq!(write(&mut state, "o"), [Ask::Output(job_id(7), OutputStream::Stdout, from)]);
    state.apply(Event::Update(Update::Jobs(vec![job(7, JobState::Complete, &["make", "test"])])));
    assert_eq!(write(&mut state, "e"), [Ask::Output(job_id(7), OutputStream::Stderr, 5)], "it has ended");
    assert_eq!(write(&mut state, "q"), [Ask::NoOutput], "back, not out");
    state.apply(piece(job_id(7), OutputStream::Stderr, "late\n"));
    // An answer that does not come is no reason to wait.
    press(&mut state, KeyCode::Enter);
    state.apply(Event::Answer(Answer::Failed("no such job".into())));
    assert!(matches!(state.over, Over::Nothing));
}

#[test]
fn a_lost_connection_is_said_and_its_end_too() {
    let mut state = state(80, 24);
    state.apply(Event::Update(Update::Link(Link::Lost("it has gone".into()))));
    assert_eq!((state.workers.len(), state.message.as_deref()), (5, None), "what was known stays");
    state.apply(Event::Update(Update::Link(Link::Live)));
    assert_eq!(state.message.as_deref(), Some("connected again"));
    press(&mut state, KeyCode::Down);
    assert_eq!(state.message, None);
}

/// Where the screen is too small for anything, nothing breaks.
#[test]
fn every_size_and_every_key_is_survived() {
    let codes = [
        KeyCode::Down,
        KeyCode::End,
        KeyCode::PageDown,
        KeyCode::Tab,
        KeyCode::Enter,
        KeyCode::Up,
        KeyCode::PageUp,
        KeyCode::Home,
        KeyCode::Esc,
        KeyCode::BackTab,
        KeyCode::Char('o'),
        KeyCode::Char('?'),
        KeyCode::Char('/'),
        KeyCode::Char('k'),
        KeyCode::Backspace,
        KeyCode::F(1),
        KeyCode::Insert,
    ];
    for (columns, lines) in [(0, 0), (1, 1), (3, 2), (20, 5), (300, 100)] {
        let mut state = state(columns, lines);
        for _ in 0..3 {
            for code in codes {
                press(&mut state, code);
                super::pictures::picture(&state);
            }
        }
        state.apply(Event::Size(80, 24));
        super::pictures::picture(&state);
    }
}

#[test]
fn ten_thousand_workers_are_quick() {
    let mut state = state(80, 24);
    let states = ["idle", "running", "booting"];
    let changed =
        (0..10_000).map(|at| worker(&format!("i-{at:05}"), ["small", "large"][at % 2], states[at % 3]));
    let (changed, gone) = (changed.collect(), Vec::new());
    state.apply(Event::Update(Update::Instances { changed, gone, creating: Vec::new() }));
    assert!(Areas::of(&state).page(Pane::Workers) < 20);
    let begin = Instant::now();
    for at in 0..10 {
        let changed = vec![worker(&format!("i-{at:05}"), "small", "running")];
        state.apply(Event::Update(Update::Instances { changed, gone: Vec::new(), creating: Vec::new() }));
        state.apply(Event::Update(Update::Status(Box::new(status()))));
        press(&mut state, KeyCode::PageDown);
        super::pictures::picture(&state);
    }
    // A change a second is what comes; even without optimisation ten take a second or two; what looked at each for each would take
    // minutes.
    assert!(begin.elapsed().as_secs() < 30, "{:?}", begin.elapsed());
    assert_eq!(state.workers.len(), 10_004);
}
