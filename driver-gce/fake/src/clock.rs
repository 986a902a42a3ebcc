//! Points in time as the API shows them.

use std::time::{Duration, SystemTime};

/// Google's answers are in the time of its home, with milliseconds: `2026-06-26T11:42:22.006-07:00`. A reader
/// that takes the time for UTC is hours off.
const OFFSET: Duration = Duration::from_secs(7 * 60 * 60);

/// RFC 3339.
pub(crate) fn timestamp(at: SystemTime) -> String {
    let local = at.checked_sub(OFFSET).unwrap_or(SystemTime::UNIX_EPOCH);
    let utc = humantime::format_rfc3339_millis(local).to_string();
    format!("{}-07:00", utc.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::timestamp;
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_timestamp_has_an_offset() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_719_427_342_006);
        assert_eq!(timestamp(at), "2024-06-26T11:42:22.006-07:00");
    }
}
