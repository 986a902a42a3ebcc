//! The daemon's log: what its standard error is connected to.

/// A line for people. Whether it can be written changes nothing: the disk may be full, and `eprintln!` would end the
/// process for that.
macro_rules! log {
    ($($line:tt)*) => {{
        use std::io::Write as _;
        drop(writeln!(std::io::stderr(), $($line)*));
    }};
}
