use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Seeds from the first to before the second: `0..200`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Seeds {
    from: u64,
    to: u64,
}

/// What is no range of seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a range of seeds as 0..200: from the first to before the second")]
pub(crate) struct NoSeeds;

impl Seeds {
    pub(crate) fn one(seed: u64) -> Self {
        Self { from: seed, to: seed.saturating_add(1) }
    }

    pub(crate) fn first(self) -> u64 {
        self.from
    }

    pub(crate) fn count(self) -> u64 {
        self.to - self.from
    }

    pub(crate) fn iter(self) -> std::ops::Range<u64> {
        self.from..self.to
    }

    /// In parts of `size`, in order.
    pub(crate) fn chunks(self, size: u64) -> impl Iterator<Item = Self> {
        let size = size.max(1);
        (self.from..self.to)
            .step_by(usize::try_from(size).unwrap_or(usize::MAX))
            .map(move |from| Self { from, to: from.saturating_add(size).min(self.to) })
    }
}

impl FromStr for Seeds {
    type Err = NoSeeds;

    fn from_str(text: &str) -> Result<Self, NoSeeds> {
        let (from, to) = text.split_once("..").ok_or(NoSeeds)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| NoSeeds);
        let (from, to) = (number(from)?, number(to)?);
        if from < to { Ok(Self { from, to }) } else { Err(NoSeeds) }
    }
}

impl TryFrom<String> for Seeds {
    type Error = NoSeeds;

    fn try_from(text: String) -> Result<Self, NoSeeds> {
        text.parse()
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}..{}", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_and_shown_as_it_was_written() {
        let seeds: Seeds = "3..10".parse().unwrap();
        assert_eq!((seeds.first(), seeds.count(), seeds.to_string().as_str()), (3, 7, "3..10"));
        assert_eq!(Seeds::one(7), "7..8".parse().unwrap());
        for wrong in ["", "3", "3..", "10..3", "3..3", "a..b", "-1..2", "1..=2"] {
            assert_eq!(wrong.parse::<Seeds>(), Err(NoSeeds), "{wrong}");
        }
    }

    #[test]
    fn chunks_hold_each_seed_once() {
        let seeds: Seeds = "3..10".parse().unwrap();
        let chunks: Vec<String> = seeds.chunks(3).map(|chunk| chunk.to_string()).collect();
        assert_eq!(chunks, ["3..6", "6..9", "9..10"]);
        assert!(seeds.chunks(0).flat_map(Seeds::iter).eq(seeds.iter()));
    }
}
