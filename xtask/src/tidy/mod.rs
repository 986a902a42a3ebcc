//! What no compiler sees. Each check is a function from texts to findings, so that its tests need no repository.

mod finding;
mod manifests;
mod markdown;
mod masked;
mod parity;
mod readme;
mod repository;
mod rust_style;
mod text;

pub(crate) use repository::check_repository;
