//! A stand-in for the Compute Engine API.
