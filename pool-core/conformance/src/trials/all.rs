//! Which trials there are.

use super::{create, destroy, idempotency, list, refusals, tags};
use crate::specification::Specification;

/// Every trial; those of live mode only there.
pub(crate) fn all(_live: bool) -> Vec<Specification> {
    [
        create::trials(),
        list::trials(),
        tags::trials(),
        idempotency::trials(),
        destroy::trials(),
        refusals::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
