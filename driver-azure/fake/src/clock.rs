//! Points in time as the API shows them.

use std::time::SystemTime;

/// `2024-06-26T11:42:22.0060000+00:00`: seven digits, as all .NET services write them.
pub(crate) fn timestamp(at: SystemTime) -> String {
    let nanos = humantime::format_rfc3339_nanos(at).to_string();
    // Two of the nine digits, and the `Z`.
    format!("{}+00:00", nanos.get(..nanos.len().saturating_sub(3)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::timestamp;
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_timestamp_has_seven_digits_and_an_offset() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_719_402_142_006);
        assert_eq!(timestamp(at), "2024-06-26T11:42:22.0060000+00:00");
    }
}
