//! Commands against a real server with a scripted service behind it.

mod jobs;
mod kept;
mod remote;
mod submit;

pub(super) use kept::{Asked, Kept, parse};
