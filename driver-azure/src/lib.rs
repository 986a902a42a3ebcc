//! Microsoft Azure behind the driver contract.
