//! What the benches have in common: a pool of many workers, and the cases that are measured on it.

pub(crate) mod case;
pub(crate) mod decisions;
pub(crate) mod fleet;
pub(crate) mod plans;
pub(crate) mod types;
