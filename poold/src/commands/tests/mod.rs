//! Commands against a real server with a scripted service behind it.

mod jobs;
mod kept;
mod submit;

pub(super) use kept::Kept;
