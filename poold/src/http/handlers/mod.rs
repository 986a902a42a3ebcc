//! One function an address.

pub(super) mod health;
#[expect(unused_qualifications, reason = "the macro that describes handlers writes them")]
pub(super) mod instances;
#[expect(unused_qualifications, reason = "the macro that describes handlers writes them")]
pub(super) mod jobs;
pub(super) mod pool;
pub(super) mod session;
