//! `poold top`: the pool on a terminal, as it changes.

mod draw;
mod event;
mod keys;
mod layout;
mod live;
mod output;
mod run;
mod screen;
mod state;
#[cfg(test)]
mod tests;
mod view;
mod world;

pub(crate) use run::TopArguments;
