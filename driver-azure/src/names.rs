//! What the driver calls what it makes.
//!
//! A machine's name is made of the instance set's id and the create's token, so that a second create with the token is a
//! second PUT of the same machine. Interfaces and disks are called after their machine: by that the sweep knows those of
//! this set.

use pool_api::{IdempotencyToken, InstanceSetId};
use sha2::{Digest as _, Sha256};

/// How many of the digits of a set's hash are in its names: 48 bits tell the sets of one resource group apart.
const SET_DIGITS: usize = 12;

/// The names of one instance set.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    pub(crate) fn of(set: &InstanceSetId) -> Self {
        let digits: String = Sha256::digest(set.as_str()).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { prefix: format!("pool-{}-", &digits[..SET_DIGITS]) }
    }

    pub(crate) fn machine(&self, token: &IdempotencyToken) -> String {
        format!("{}{token}", self.prefix)
    }

    /// Whether something is called as this set calls its own. Azure does not keep the case of names everywhere.
    pub(crate) fn is_ours(&self, name: &str) -> bool {
        name.get(..self.prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(&self.prefix))
    }
}

/// A machine's interface.
pub(crate) fn interface(machine: &str) -> String {
    format!("{machine}-nic")
}

/// The disk that a machine boots from.
pub(crate) fn os_disk(machine: &str) -> String {
    format!("{machine}-os")
}

/// A machine's added disk.
pub(crate) fn scratch_disk(machine: &str) -> String {
    format!("{machine}-scratch")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_knows_its_own_names_alone() {
        let names = |id: &str| Names::of(&InstanceSetId::new(id).unwrap());
        let (a, b) = (names("batch-1"), names("batch-2"));
        let machine = a.machine(&IdempotencyToken::from_bits(u128::MAX));
        assert!(machine.len() <= 64 && machine.starts_with("pool-"), "{machine}");
        for name in
            [machine.clone(), interface(&machine), os_disk(&machine).to_uppercase(), scratch_disk(&machine)]
        {
            assert!(a.is_ours(&name) && !b.is_ours(&name), "{name}");
        }
        assert!(!a.is_ours("pool-"));
        assert!(!a.is_ours("pöol-"));
    }
}
