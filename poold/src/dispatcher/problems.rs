//! What has gone wrong lately between the pool and the cloud.

use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// A problem that lasts is met again long before: no call pauses for so long.
const SHOWN_FOR: Duration = Duration::from_secs(10 * 60);

/// The last problem of each kind, with when it was met. Nothing tells when one is over.
#[derive(Debug, Default)]
pub(super) struct Problems(BTreeMap<String, (Instant, String)>);

impl Problems {
    pub(super) fn note(&mut self, kind: impl Into<String>, problem: String) {
        self.0.insert(kind.into(), (Instant::now(), problem));
    }

    /// Those that may not be over.
    pub(super) fn lately(&self) -> impl Iterator<Item = String> {
        let now = Instant::now();
        let recent = move |at: Instant| now.duration_since(at) < SHOWN_FOR;
        self.0
            .iter()
            .filter(move |(_, (at, _))| recent(*at))
            .map(|(kind, (_, problem))| format!("{kind}: {problem}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_problem_of_a_kind_is_shown_for_a_while() {
        let mut problems = Problems::default();
        problems.note("list", "no route".to_owned());
        tokio::time::advance(SHOWN_FOR / 2).await;
        problems.note("create", "no quota".to_owned());
        problems.note("create", "no capacity".to_owned());
        assert_eq!(problems.lately().collect::<Vec<_>>(), ["create: no capacity", "list: no route"]);
        tokio::time::advance(SHOWN_FOR / 2).await;
        assert_eq!(problems.lately().collect::<Vec<_>>(), ["create: no capacity"]);
    }
}
