//! Text that goes into records and frames, bounded.

use std::time::{SystemTime, UNIX_EPOCH};

/// Most bytes of a reason. Frames that list all runs must stay below the longest frame.
pub(crate) const MAX_REASON: usize = 200;

/// One printable line of at most [`MAX_REASON`] bytes.
pub(crate) fn reason(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if out.len() + c.len_utf8() > MAX_REASON {
            break;
        }
        out.push(c);
    }
    out
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_and_bounded() {
        assert_eq!(reason("a\nb\u{1b}c"), "a b c");
        let long = reason(&"é".repeat(1000));
        assert!(long.len() <= MAX_REASON && long.chars().all(|c| c == 'é'));
    }
}
