//! The web page that `poold` serves itself: hand-written files in the program, which ask the API like any other client.

mod assets;
mod router;
#[cfg(test)]
mod tests;

pub(crate) use router::router;
