//! The screen without a terminal: a state, keys and pictures.

mod keys;
mod live;
mod pictures;
mod support;
