//! What creates have left behind that failed half-way: interfaces and disks without a machine.

use crate::{AzureError, set::Shared};
use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant, SystemTime},
};

/// Since when interfaces have been seen without a machine: Azure does not say when it has made one.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<String, Instant>);

impl Seen {
    /// Those that were seen so at least so long ago. The others are remembered, and what is not there any more is not.
    fn older_than(&mut self, age: Duration, now: Instant, names: HashSet<String>) -> Vec<String> {
        self.0.retain(|name, _| names.contains(name));
        let mut old = Vec::new();
        for name in names {
            let since = *self.0.entry(name.clone()).or_insert(now);
            if now.duration_since(since) >= age {
                old.push(name);
            }
        }
        old
    }
}

/// Deletes the set's old leftovers, and says how many there were. Interfaces first: they hold addresses of the subnet.
///
/// # Errors
/// [`AzureError`]; what was deleted before stays deleted.
pub(crate) async fn sweep(shared: &Shared) -> Result<usize, AzureError> {
    let Shared { arm, config, names, .. } = shared;
    let interfaces = arm.interfaces().await?.into_iter();
    let loose = interfaces.filter(|interface| interface.properties.virtual_machine.is_none());
    let loose = loose.map(|interface| interface.name).filter(|name| names.is_ours(name)).collect();
    let old = shared.seen.lock().await.older_than(config.leftover_age, Instant::now(), loose);
    let mut swept = 0;
    for name in old {
        let deleted = async { arm.delete_interface(&name).await?.done(arm, config.operation_timeout).await };
        swept += gone(deleted.await)?;
    }
    for disk in arm.disks().await? {
        let created =
            disk.properties.as_ref().and_then(|properties| properties.time_created).map(SystemTime::from);
        let age = created.and_then(|created| created.elapsed().ok());
        let name = disk.resource.name.unwrap_or_default();
        let is_old = age.is_some_and(|age| age >= config.leftover_age);
        if disk.managed_by.is_none() && names.is_ours(&name) && is_old {
            let deleted = async { arm.delete_disk(&name).await?.done(arm, config.operation_timeout).await };
            swept += gone(deleted.await)?;
        }
    }
    Ok(swept)
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
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<HashSet<_>>();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(seen.older_than(age, at(0), names(&["a", "b"])).is_empty());
        assert!(seen.older_than(age, at(59), names(&["a"])).is_empty());
        // b was attached meanwhile, and counts anew.
        assert_eq!(seen.older_than(age, at(60), names(&["a", "b"])), ["a"]);
        assert_eq!(seen.older_than(age, at(120), names(&["b"])), ["b"]);
    }
}
