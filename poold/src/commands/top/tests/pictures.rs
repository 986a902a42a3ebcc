//! How it looks.

use super::support::{everything, press, state, write};
use crate::{
    commands::top::{
        draw::draw,
        event::{Answer, Event, Link, Update},
        state::State,
        view::Everything,
    },
    job::Moment,
};
use crossterm::event::KeyCode;
use insta::assert_snapshot;
use pool_core::{JobId, OutputStream};
use ratatui::{Terminal, backend::TestBackend};

/// The screen as text.
pub(super) fn picture(state: &State) -> String {
    let (columns, lines) = state.size;
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
    terminal.draw(|frame| draw(state, frame)).unwrap();
    if columns == 0 || lines == 0 {
        return String::new();
    }
    let text = terminal.backend().to_string();
    assert!(!text.contains('\u{1b}'), "texts of others are harmless");
    text
}

#[test]
fn an_ordinary_terminal() {
    assert_snapshot!(picture(&state(80, 24)));
}

#[test]
fn a_small_one_shows_one_pane() {
    let mut state = state(40, 12);
    assert_snapshot!("small_workers", picture(&state));
    press(&mut state, KeyCode::Tab);
    assert_snapshot!("small_jobs", picture(&state));
}

#[test]
fn a_large_one_shows_all_columns_side_by_side() {
    assert_snapshot!(picture(&state(200, 50)));
}

#[test]
fn an_empty_pool_of_an_older_server() {
    let mut state = state(80, 24);
    let all = everything();
    let all = Everything { instances: Vec::new(), jobs: Vec::new(), hold_offs: None, ..all };
    state.apply(Event::Update(Update::All(Box::new(all))));
    state.apply(Event::Update(Update::Link(Link::Asking(2))));
    assert_snapshot!(picture(&state));
}

#[test]
fn before_anything_is_known_and_when_the_server_is_gone() {
    assert_snapshot!("nothing_known", picture(&State::new((80, 8), Moment(0))));
    let mut state = state(80, 24);
    state.apply(Event::Update(Update::Link(Link::Lost("poold serve has broken the connection off".into()))));
    assert_snapshot!("lost", picture(&state));
}

#[test]
fn what_lies_over_the_lists() {
    let mut state = state(80, 24);
    write(&mut state, "?");
    assert_snapshot!("help", picture(&state));
    press(&mut state, KeyCode::Esc);
    press(&mut state, KeyCode::Enter);
    assert_snapshot!("worker", picture(&state));
    press(&mut state, KeyCode::Esc);
    write(&mut state, "/small id");
    assert_snapshot!("filter", picture(&state));
    press(&mut state, KeyCode::Enter);
    write(&mut state, "kno use");
    assert_snapshot!("prompt", picture(&state));
    press(&mut state, KeyCode::Esc);
    press(&mut state, KeyCode::Tab);
    write(&mut state, "o");
    let (job, stream) = (JobId::new("abcde-7").unwrap(), OutputStream::Stdout);
    let text = "one\n\ttwo\n".to_owned();
    state.apply(Event::Answer(Answer::Output { job: job.clone(), stream, text }));
    let remark = "it has ended".to_owned();
    state.apply(Event::Answer(Answer::OutputEnded { job, stream, remark }));
    assert_snapshot!("output", picture(&state));
}
