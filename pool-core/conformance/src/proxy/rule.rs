//! What a proxy does to which requests.

use super::{Answer, Request};
use bytes::Bytes;
use std::{fmt, sync::Arc, time::Duration};

/// Changes the answer to a request.
pub type AnswerChange = Arc<dyn Fn(&Request, &mut Answer) + Send + Sync>;

/// What happens to a request.
#[derive(Clone)]
pub enum Action {
    /// It is not forwarded; this is the answer.
    Answer(Answer),
    /// It is not forwarded; the answer is made from it.
    AnswerBy(Arc<dyn Fn(&Request) -> Answer + Send + Sync>),
    /// It is changed, and forwarded then.
    Change(Arc<dyn Fn(&mut Request) + Send + Sync>),
    /// It is forwarded, and the answer is changed. The request is as it was sent.
    ChangeAnswer(AnswerChange),
    /// It is forwarded after this long.
    Delay(Duration),
    /// It is not forwarded, and the connection is closed without an answer.
    LoseRequest,
    /// It is forwarded, and the connection is closed without an answer.
    LoseAnswer,
    /// It is not forwarded, and the connection is reset (RST) without an answer.
    Reset,
    /// It is forwarded; half of the answer's body comes back, then the connection is closed.
    CutAnswer,
    /// It is forwarded; the answer comes back with this body in place of its own.
    GarbleAnswer(Bytes),
    /// It is forwarded; nothing ever comes back, and the connection stays open.
    Hang,
    /// It is forwarded twice, as by a network that repeats; the second answer comes back.
    Repeat,
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answer(_) => "Answer",
            Self::AnswerBy(_) => "AnswerBy",
            Self::Change(_) => "Change",
            Self::ChangeAnswer(_) => "ChangeAnswer",
            Self::Delay(_) => "Delay",
            Self::LoseRequest => "LoseRequest",
            Self::LoseAnswer => "LoseAnswer",
            Self::Reset => "Reset",
            Self::CutAnswer => "CutAnswer",
            Self::GarbleAnswer(_) => "GarbleAnswer",
            Self::Hang => "Hang",
            Self::Repeat => "Repeat",
        })
    }
}

type Matcher = Box<dyn Fn(&Request) -> bool + Send + Sync>;

/// One entry of a proxy's script. The first rule that is meant for a request, and is not used up, decides.
pub struct Rule {
    matches: Matcher,
    action: Action,
    /// How many requests that match it are let through first.
    skip: usize,
    /// How many it acts on after that; none: all.
    times: Option<usize>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("action", &self.action)
            .field("skip", &self.skip)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

impl Rule {
    /// For every request that matches.
    pub fn new(matches: impl Fn(&Request) -> bool + Send + Sync + 'static, action: Action) -> Self {
        Self { matches: Box::new(matches), action, skip: 0, times: None }
    }

    /// The same, after so many requests that match.
    #[must_use]
    pub fn skip(mut self, requests: usize) -> Self {
        self.skip = requests;
        self
    }

    /// The same, for so many requests.
    #[must_use]
    pub fn times(mut self, times: Option<usize>) -> Self {
        self.times = times;
        self
    }

    /// What to do with a request, if this rule is meant for it and not used up. Counts.
    pub(super) fn take(&mut self, request: &Request) -> Option<Action> {
        if self.times == Some(0) || !(self.matches)(request) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        if let Some(times) = &mut self.times {
            *times -= 1;
        }
        Some(self.action.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &'static str) -> Request {
        Request { method: "POST".into(), path: "/".into(), headers: Vec::new(), body: body.into() }
    }

    #[test]
    fn a_rule_lets_through_acts_and_is_used_up() {
        let rule = Rule::new(|request| request.is("POST", "Action=Run"), Action::LoseRequest);
        let mut rule = rule.skip(1).times(Some(2));
        let mut acts = |body| rule.take(&request(body)).is_some();
        assert!(!acts("Action=Describe"));
        assert_eq!([(); 4].map(|()| acts("Action=Run")), [false, true, true, false]);
    }
}
