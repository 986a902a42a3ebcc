//! How jobs are named.

use pool_core::{IdError, JobId};
use rand::{Rng, RngExt as _};
use std::{fmt, str::FromStr};

/// Tells the jobs of one queue file from those of any other: workers keep what they ran, and a queue that was
/// deleted and begun anew must not take an old run for one of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct QueueTag(String);

/// Letters and digits that are not taken for one another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const TAG_LENGTH: usize = 5;

impl QueueTag {
    /// A new one.
    #[cfg(test)]
    pub(crate) fn random() -> Self {
        Self::draw(&mut rand::rng())
    }

    /// A new one: one of 32^5, as chance has it.
    pub(crate) fn draw(rng: &mut impl Rng) -> Self {
        let letter = || char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]);
        Self(std::iter::repeat_with(letter).take(TAG_LENGTH).collect())
    }

    /// One that was stored; none if it is no tag.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let good = text.len() == TAG_LENGTH && text.bytes().all(|byte| ALPHABET.contains(&byte));
        good.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the job with this number, counted from 1.
    pub(crate) fn job_id(&self, number: u64) -> JobId {
        #[expect(clippy::expect_used, reason = "a tag and a number are plain and short")]
        JobId::new(format!("{}-{number}", self.0)).expect("a tag and a number make a job id")
    }

    /// The number of a job of this queue; none for another's.
    pub(crate) fn number(&self, id: &JobId) -> Option<u64> {
        let (tag, number) = id.as_str().rsplit_once('-')?;
        // As `job_id` writes it: each job has one id.
        let plain =
            number.bytes().all(|byte| byte.is_ascii_digit()) && (number == "0" || !number.starts_with('0'));
        if tag == self.0 && plain { number.parse().ok() } else { None }
    }
}

/// How people name a job: by its whole id, or by its number in the queue alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum JobKey {
    Number(u64),
    Id(JobId),
}

impl JobKey {
    /// The number of the job in this queue; none if it can only be in another.
    pub(crate) fn number_in(&self, tag: &QueueTag) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Id(id) => tag.number(id),
        }
    }
}

impl FromStr for JobKey {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.parse() {
            Ok(number) => Ok(Self::Number(number)),
            Err(_) => JobId::new(text).map(Self::Id),
        }
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_found_by_its_number_or_its_id_and_not_by_another_queues() {
        let tag = QueueTag::random();
        let id = tag.job_id(17);
        assert_eq!(QueueTag::parse(tag.as_str()), Some(tag.clone()));
        let number = |text: &str| text.parse::<JobKey>().unwrap().number_in(&tag);
        assert_eq!((number("17"), number(id.as_str())), (Some(17), Some(17)));
        assert_eq!((number("nosuch-17"), number(&format!("{}-017", tag.as_str()))), (None, None));
        assert!("a b".parse::<JobKey>().is_err());
    }
}
