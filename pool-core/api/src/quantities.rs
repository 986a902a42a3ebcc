//! Amounts with their units: CPUs and prices. Sizes in bytes are [`ByteSize`].

use serde::{Deserialize, Serialize};
use std::{fmt, iter::Sum, ops};

pub use bytesize::ByteSize;

/// Writes a size as its number of bytes, for `serialize_with`. By itself it writes a text for people ("97.7 KiB"), which
/// is read back as another number. Both forms can be read.
pub(crate) fn exact_bytes<S: serde::Serializer>(size: &ByteSize, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(size.0)
}

/// An amount that cannot be: negative, not a number, or too large.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{value} is not a valid {what}: it must be a number from 0 to {largest}")]
pub struct QuantityError {
    what: &'static str,
    value: f64,
    largest: f64,
}

fn scaled(what: &'static str, value: f64, scale: f64, largest: f64) -> Result<u64, QuantityError> {
    if value.is_finite() && (0.0..=largest).contains(&value) {
        Ok((value * scale).round() as u64)
    } else {
        Err(QuantityError { what, value, largest })
    }
}

/// A number of virtual CPUs, to a thousandth: jobs may ask for half of one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Cpus(u64);

impl Cpus {
    /// None at all.
    pub const ZERO: Self = Self(0);

    /// A whole number of CPUs.
    pub const fn whole(count: u32) -> Self {
        Self(count as u64 * 1000)
    }

    /// Thousandths of a CPU.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// In thousandths of a CPU.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// As a number of CPUs.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The difference, or zero where `other` is more.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl ops::Add for Cpus {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Cpus {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, ops::Add::add)
    }
}

impl TryFrom<f64> for Cpus {
    type Error = QuantityError;
    fn try_from(value: f64) -> Result<Self, QuantityError> {
        scaled("number of CPUs", value, 1000.0, 1_000_000.0).map(Self)
    }
}

impl From<Cpus> for f64 {
    fn from(cpus: Cpus) -> f64 {
        cpus.as_f64()
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_f64(), f)
    }
}

impl fmt::Debug for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} CPUs")
    }
}

/// What an instance costs for an hour, to a millionth of the operator's currency unit.
///
/// The currency is the operator's affair: prices are only compared and added up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct HourlyPrice(u64);

impl HourlyPrice {
    /// Free of charge.
    pub const ZERO: Self = Self(0);

    /// Millionths of the currency unit, per hour.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// In millionths of the currency unit, per hour.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// In currency units, per hour.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl ops::Add for HourlyPrice {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for HourlyPrice {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, ops::Add::add)
    }
}

impl TryFrom<f64> for HourlyPrice {
    type Error = QuantityError;
    fn try_from(value: f64) -> Result<Self, QuantityError> {
        scaled("price", value, 1e6, 1e6).map(Self)
    }
}

impl From<HourlyPrice> for f64 {
    fn from(price: HourlyPrice) -> f64 {
        price.as_f64()
    }
}

impl fmt::Display for HourlyPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_f64(), f)
    }
}

impl fmt::Debug for HourlyPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}/h")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_and_absurd_amounts_are_refused() {
        for bad in [-0.01, f64::NAN, f64::INFINITY, 1e12] {
            assert!(HourlyPrice::try_from(bad).is_err(), "{bad}");
            assert!(Cpus::try_from(bad).is_err(), "{bad}");
        }
        assert_eq!(HourlyPrice::try_from(0.0416).unwrap().as_micros(), 41_600);
    }

    #[test]
    fn amounts_are_read_as_people_write_them() {
        #[derive(Deserialize)]
        struct Row {
            cpus: Cpus,
            memory: ByteSize,
            price: HourlyPrice,
        }
        let row: Row = toml::from_str("cpus = 0.5\nmemory = '4 GiB'\nprice = 0.25").unwrap();
        assert_eq!(row.cpus.as_millis(), 500);
        assert_eq!(row.memory, ByteSize::gib(4));
        assert_eq!(row.price.as_f64(), 0.25);
        let whole: Row = toml::from_str("cpus = 2\nmemory = 1024\nprice = 1").unwrap();
        assert_eq!(whole.cpus, Cpus::whole(2));
        assert_eq!(whole.memory, ByteSize::kib(1));
    }
}
