use std::fmt;
use std::str::FromStr;

use bytesize::ByteSize;
use indicatif::HumanCount;
use serde::{Deserialize, Serialize};

/// What a figure counts, as the measuring programs call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Seconds,
    PerSecond,
    Bytes,
    /// A figure as a multiple of another.
    Ratio,
}

/// How much of what.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quantity {
    pub(crate) value: f64,
    pub(crate) unit: Unit,
}

/// A text that is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no quantity: write \"5us\", \"4 KiB\", \"1000/s\" or \"2x\"")]
pub(crate) struct NoQuantity(String);

/// As people write it.
impl FromStr for Quantity {
    type Err = NoQuantity;

    fn from_str(text: &str) -> Result<Self, NoQuantity> {
        let number = |digits: &str| digits.trim().parse().ok();
        let (value, unit) = if let Some(rate) = text.strip_suffix("/s") {
            (number(rate), Unit::PerSecond)
        } else if let Some(ratio) = text.strip_suffix('x') {
            (number(ratio), Unit::Ratio)
        } else if let Ok(duration) = humantime::parse_duration(text) {
            (Some(duration.as_secs_f64()), Unit::Seconds)
        } else {
            (text.parse().ok().map(|ByteSize(bytes)| bytes as f64), Unit::Bytes)
        };
        // Nothing that is measured is zero, and a limit of "1" would be one byte.
        let is_one = |value: &f64| {
            value.is_finite() && *value > 0.0 && !text.ends_with(|last: char| last.is_ascii_digit())
        };
        let value = value.filter(is_one).ok_or_else(|| NoQuantity(text.to_owned()))?;
        Ok(Self { value, unit })
    }
}

/// For people, to three digits.
impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.unit {
            Unit::Seconds => scaled(self.value, &[(1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s")]),
            Unit::Bytes => {
                let kib = 1024.0;
                scaled(self.value, &[(1.0, "B"), (kib, "KiB"), (kib * kib, "MiB"), (kib * kib * kib, "GiB")])
            }
            Unit::PerSecond => format!("{}/s", digits(self.value)),
            Unit::Ratio => format!("{}x", digits(self.value)),
        };
        out.pad(&text)
    }
}

/// In the largest unit of which there is one at least.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    // What is rounded up to the next unit is shown in that.
    let unit = units.iter().rev().find(|(size, _)| value >= size * 0.9995).or(units.first());
    unit.map(|(size, name)| format!("{} {name}", digits(value / size))).unwrap_or_default()
}

/// Three digits that count, no trailing zeros, and marks between thousands.
fn digits(value: f64) -> String {
    if value >= 999.5 {
        return HumanCount(value.round() as u64).to_string();
    }
    let places = match value {
        99.95.. => 0,
        9.995.. => 1,
        _ => 2,
    };
    let text = format!("{value:.places$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<Quantity>().map(|quantity| (quantity.value, quantity.unit));
        assert_eq!(read("5us"), Ok((0.000_005, Unit::Seconds)));
        assert_eq!(read("20 ms"), Ok((0.02, Unit::Seconds)));
        assert_eq!(read("2s"), Ok((2.0, Unit::Seconds)));
        assert_eq!(read("4 KiB"), Ok((4096.0, Unit::Bytes)));
        assert_eq!(read("1000/s"), Ok((1000.0, Unit::PerSecond)));
        assert_eq!(read("13.3x"), Ok((13.3, Unit::Ratio)));
        for wrong in ["", "5", "five", "x", "-1x", "infx", "0/s", "4 Kelvin"] {
            assert_eq!(read(wrong), Err(NoQuantity(wrong.to_owned())), "{wrong}");
        }
    }

    #[test]
    fn quantities_are_shown_to_three_digits() {
        let shown = |value, unit| Quantity { value, unit }.to_string();
        assert_eq!(shown(0.000_000_123_4, Unit::Seconds), "123 ns");
        assert_eq!(shown(0.000_005, Unit::Seconds), "5 µs");
        assert_eq!(shown(0.012_34, Unit::Seconds), "12.3 ms");
        assert_eq!(shown(0.999_9, Unit::Seconds), "1 s");
        assert_eq!(shown(200.4, Unit::Seconds), "200 s");
        assert_eq!(shown(3_500.0, Unit::Bytes), "3.42 KiB");
        assert_eq!(shown(512.0, Unit::Bytes), "512 B");
        assert_eq!(shown(1_234.5, Unit::PerSecond), "1,235/s");
        assert_eq!(shown(1.333, Unit::Ratio), "1.33x");
    }
}
