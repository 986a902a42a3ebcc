//! Google Compute Engine behind the driver contract.
