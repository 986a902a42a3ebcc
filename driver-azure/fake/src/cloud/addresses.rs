//! Private addresses.

use crate::{Subnet, http::ApiError};
use std::collections::BTreeSet;

/// The first four addresses and the last are Azure's:
/// <https://learn.microsoft.com/en-us/azure/virtual-network/virtual-networks-faq>.
const FIRST: u32 = 4;

/// The subnets, and what is free in them.
pub(super) struct Addresses {
    subnets: Vec<Free>,
}

struct Free {
    subnet: Subnet,
    /// From here on, no address has been taken.
    next: u32,
    /// Those before that have been given back.
    back: BTreeSet<u32>,
}

impl Addresses {
    pub(super) fn new(subnets: &[Subnet]) -> Self {
        let free = |subnet: &Subnet| Free { subnet: subnet.clone(), next: FIRST, back: BTreeSet::new() };
        Addresses { subnets: subnets.iter().map(free).collect() }
    }

    /// The subnet with this ID.
    pub(super) fn find(&self, id: &str, subscription: &str) -> Option<usize> {
        self.subnets.iter().position(|free| {
            let Subnet { group, network, name, .. } = &free.subnet;
            let own = format!(
                "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/{network}/subnets/{name}"
            );
            own.eq_ignore_ascii_case(id)
        })
    }

    /// Whether a subnet has so many free addresses.
    pub(super) fn has(&self, subnet: usize, count: usize) -> Result<(), ApiError> {
        let Some(free) = self.subnets.get(subnet) else { return Ok(()) };
        let left = free.subnet.addresses.saturating_sub(free.next + 1) as usize + free.back.len();
        if left >= count {
            return Ok(());
        }
        let [a, b] = free.subnet.prefix;
        let message = format!(
            "Subnet {} with address prefix {a}.{b}.0.0/16 does not have enough capacity for {count} IP \
             addresses.",
            free.subnet.name
        );
        Err(ApiError::new(400, "SubnetIsFull", message))
    }

    /// The lowest free address of a subnet: its number, and how it is written.
    pub(super) fn take(&mut self, subnet: usize) -> (u32, String) {
        let Some(free) = self.subnets.get_mut(subnet) else { return (0, "10.255.0.0".into()) };
        let number = free.back.pop_first().unwrap_or_else(|| {
            free.next += 1;
            free.next - 1
        });
        let [a, b] = free.subnet.prefix;
        let [_, _, c, d] = number.to_be_bytes();
        (number, format!("{a}.{b}.{c}.{d}"))
    }

    pub(super) fn give_back(&mut self, taken: &[(usize, u32)]) {
        for (subnet, number) in taken {
            if let Some(free) = self.subnets.get_mut(*subnet) {
                free.back.insert(*number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Addresses;
    use crate::Subnet;

    #[test]
    fn addresses_are_taken_and_given_back() {
        let mut subnet = Subnet::new("g", "n", "s", [10, 7]);
        subnet.addresses = 8;
        let mut addresses = Addresses::new(&[subnet]);
        let id = "/subscriptions/x/resourcegroups/G/providers/Microsoft.Network/virtualNetworks/n/subnets/s";
        assert_eq!(addresses.find(id, "x"), Some(0));
        assert_eq!(addresses.find(id, "y"), None);
        assert_eq!(addresses.take(0).1, "10.7.0.4");
        let second = addresses.take(0);
        assert_eq!(addresses.take(0).1, "10.7.0.6");
        assert!(addresses.has(0, 1).is_err());
        addresses.give_back(&[(0, second.0)]);
        assert!(addresses.has(0, 1).is_ok() && addresses.has(0, 2).is_err());
        assert_eq!(addresses.take(0).1, "10.7.0.5");
    }
}
