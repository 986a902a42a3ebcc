//! A stretch of time with a name, as collectors of traces take it.

use crate::job::Moment;
use sha2::{Digest as _, Sha256};

/// Names a trace.
pub(crate) type TraceId = [u8; 16];
/// Names a span in its trace.
pub(crate) type SpanId = [u8; 8];

/// What is said of a span. Never what a job or a user has written, beside names.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Attribute {
    Text(String),
    Number(i64),
    Fraction(f64),
    Flag(bool),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Names as OpenTelemetry writes them: lower case, with dots.
pub(crate) type Attributes = Vec<(&'static str, Attribute)>;

/// A span that has ended.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Span {
    pub(crate) trace: TraceId,
    pub(crate) id: SpanId,
    /// None: it is the root of its trace.
    pub(crate) parent: Option<SpanId>,
    pub(crate) name: &'static str,
    /// Something outside is asked.
    pub(crate) is_call: bool,
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    pub(crate) attributes: Attributes,
    /// Something happened at one moment of it.
    pub(crate) events: Vec<(Moment, &'static str)>,
    /// It did not come to a good end: a word that says how.
    pub(crate) failure: Option<&'static str>,
}

/// The same for the same names, in every process: a restart goes on with the trace.
fn digest(names: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for name in names {
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name.as_bytes());
    }
    hash.finalize().into()
}

fn first_of<const N: usize>(digest: &[u8; 32]) -> [u8; N] {
    let mut id = [0; N];
    id.copy_from_slice(&digest[..N]);
    id
}

/// The trace of a job of an instance set.
pub(crate) fn trace_of(instance_set: &str, job: &str) -> TraceId {
    first_of(&digest(&["trace", instance_set, job]))
}

/// A span of a job's trace.
pub(crate) fn span_of(instance_set: &str, job: &str, what: &str, run: u32) -> SpanId {
    first_of(&digest(&["span", instance_set, job, what, &run.to_string()]))
}

/// Whether a trace is among the share that is sent. By its id, so that all of a trace is, or nothing.
pub(crate) fn is_sampled(trace: TraceId, ratio: f64) -> bool {
    let [.., a, b, c, d, e, f, g] = trace;
    // As OpenTelemetry has it: the last 56 bits are taken for chance.
    let chance = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
    (chance as f64) < ratio * (1_u64 << 56) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_same_each_time_and_others_for_others() {
        let trace = trace_of("set", "abcde-1");
        assert_eq!(trace, trace_of("set", "abcde-1"));
        assert_ne!(trace, trace_of("other", "abcde-1"));
        assert_ne!(trace_of("a", "bc"), trace_of("ab", "c"));
        assert_ne!(span_of("set", "j", "run", 1), span_of("set", "j", "run", 2));
        assert_ne!(span_of("set", "j", "run", 1), span_of("set", "j", "queued", 1));
    }

    #[test]
    fn the_share_that_is_sent_is_about_what_was_asked_for() {
        let sampled = |ratio| {
            (0..10_000).filter(|job| is_sampled(trace_of("set", &format!("abcde-{job}")), ratio)).count()
        };
        assert_eq!((sampled(0.0), sampled(1.0)), (0, 10_000));
        assert!((900..1100).contains(&sampled(0.1)), "{}", sampled(0.1));
    }
}
