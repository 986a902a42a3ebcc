//! Which trials there are.

use super::{create, destroy, idempotency, list, live, refusals, tags};
use crate::specification::Specification;

/// Every trial; those of live mode only there.
pub(crate) fn all(live: bool) -> Vec<Specification> {
    [
        create::trials(),
        list::trials(),
        tags::trials(),
        idempotency::trials(),
        destroy::trials(),
        refusals::trials(),
        if live { live::trials() } else { Vec::new() },
    ]
    .into_iter()
    .flatten()
    .collect()
}
