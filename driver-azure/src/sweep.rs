//! What creates have left behind that failed half-way: interfaces and disks without a machine.

use crate::{AzureError, set::Shared};
use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

/// Something without a machine.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Leftover {
    Interface(String),
    Disk(String),
}

impl Leftover {
    fn name(&self) -> &str {
        match self {
            Self::Interface(name) | Self::Disk(name) => name,
        }
    }
}

/// Since when things have been seen without a machine. How old they are says nothing: what a machine has just left may be
/// old, and Azure does not say when it has made an interface.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<Leftover, Instant>);

impl Seen {
    /// Those that were seen so at least so long ago. The others are remembered, and what is not there any more is not.
    fn older_than(&mut self, age: Duration, now: Instant, loose: BTreeSet<Leftover>) -> Vec<Leftover> {
        self.0.retain(|leftover, _| loose.contains(leftover));
        let is_old = |leftover: &Leftover| {
            let since = *self.0.entry(leftover.clone()).or_insert(now);
            now.duration_since(since) >= age
        };
        loose.into_iter().filter(is_old).collect()
    }
}

/// Deletes the set's old leftovers, and says how many there were. Interfaces first: they hold addresses of the subnet. One that
/// cannot be deleted does not stop the others.
///
/// # Errors
/// The first [`AzureError`]; what was deleted stays deleted.
pub(crate) async fn sweep(shared: &Shared) -> Result<usize, AzureError> {
    let Shared { arm, config, names, .. } = shared;
    let interfaces = arm.interfaces().await?.into_iter();
    let loose = interfaces.filter(|interface| interface.properties.virtual_machine.is_none());
    let interfaces = loose.map(|interface| Leftover::Interface(interface.name));
    let disks = arm.disks().await?.into_iter().filter(|disk| disk.managed_by.is_none());
    let disks = disks.filter_map(|disk| disk.resource.name.map(Leftover::Disk));
    let loose = interfaces.chain(disks).filter(|leftover| names.is_ours(leftover.name())).collect();
    let old = shared.seen.lock().await.older_than(config.leftover_age, Instant::now(), loose);
    let (mut swept, mut failure) = (0, None);
    for leftover in old {
        let deleted = async {
            let accepted = match &leftover {
                Leftover::Interface(name) => arm.delete_interface(name).await?,
                Leftover::Disk(name) => arm.delete_disk(name).await?,
            };
            accepted.done(arm, config.operation_timeout).await
        };
        match gone(deleted.await) {
            Ok(count) => swept += count,
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        Some(error) => Err(error),
        None => Ok(swept),
    }
}

/// What another has deleted first is not counted.
fn gone(deleted: Result<(), AzureError>) -> Result<usize, AzureError> {
    match deleted {
        Ok(()) => Ok(1),
        Err(error) if error.is_not_found() => Ok(0),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_old_when_it_was_seen_loose_for_long() {
        let (mut seen, start, age) = (Seen::default(), Instant::now(), Duration::from_secs(60));
        let leftover = |name: &str| Leftover::Interface(name.to_owned());
        let names = |names: &[&str]| names.iter().map(|name| leftover(name)).collect::<BTreeSet<_>>();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(seen.older_than(age, at(0), names(&["a", "b"])).is_empty());
        assert!(seen.older_than(age, at(59), names(&["a"])).is_empty());
        // b was attached meanwhile, and counts anew.
        assert_eq!(seen.older_than(age, at(60), names(&["a", "b"])), [leftover("a")]);
        assert_eq!(seen.older_than(age, at(120), names(&["b"])), [leftover("b")]);
    }
}
