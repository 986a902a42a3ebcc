//! All machines of the set with certain tags.

use crate::{AzureError, arm::Interface, set::Shared, tags};
use azure_mgmt_compute::models::VirtualMachine;
use pool_api::Tags;
use std::collections::HashMap;

/// What the driver writes on a machine to know its own: the instance set's id.
pub(crate) const SET_TAG: &str = "pool-driver-azure-set";

/// A machine, and what other lists say of it.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) machine: VirtualMachine,
    pub(crate) tags: Tags,
    pub(crate) address: Option<String>,
    /// `running`, `deallocated` and so on: <https://learn.microsoft.com/azure/virtual-machines/states-billing>.
    pub(crate) power: Option<String>,
}

/// Every machine of the set that has these tags, each once. Three lists, of as many pages as they have: machines, their
/// power states, and interfaces with their addresses.
///
/// # Errors
/// All or nothing.
pub(crate) async fn list(shared: &Shared, wanted: &Tags) -> Result<Vec<Listed>, AzureError> {
    let arm = &shared.arm;
    let (machines, states, interfaces) =
        tokio::try_join!(arm.machines(), arm.power_states(), arm.interfaces())?;
    let addresses: HashMap<String, String> = interfaces.iter().filter_map(address_of).collect();
    let mut found = Vec::new();
    for machine in machines {
        let all = tags_of(&machine);
        let set = all.iter().find(|(name, _)| name.eq_ignore_ascii_case(SET_TAG));
        if set.is_none_or(|(_, set)| set.as_str() != shared.set.as_str()) {
            continue;
        }
        let tags = pool_tags(&all);
        if !tags.matches(wanted) {
            continue;
        }
        let id = id_of(&machine).unwrap_or_default();
        let address = addresses.get(&id).cloned();
        let power = match states.get(&id) {
            Some(power) => power.clone(),
            // It is not in the list of states: that may lag, or leave out what its reader may not read. A change that has
            // failed does not end a machine, so it is asked for itself.
            None if has_failed(&machine) => state_of(shared, &machine).await?,
            None => None,
        };
        found.push(Listed { machine, tags, address, power });
    }
    // A machine that changes while the pages are read may be on two of them.
    found.sort_by_key(|listed| id_of(&listed.machine));
    found.dedup_by_key(|listed| id_of(&listed.machine));
    Ok(found)
}

/// All tags, as Azure has them.
pub(crate) fn tags_of(machine: &VirtualMachine) -> HashMap<String, String> {
    let tags = machine.resource.tags.as_ref().and_then(serde_json::Value::as_object);
    let text =
        |(name, value): (&String, &serde_json::Value)| Some((name.clone(), value.as_str()?.to_owned()));
    tags.map(|tags| tags.iter().filter_map(text).collect()).unwrap_or_default()
}

/// The tags that are not the driver's own.
pub(crate) fn pool_tags(all: &HashMap<String, String>) -> Tags {
    let others = all.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(SET_TAG));
    tags::decode(others.map(|(name, value)| (name.as_str(), value.as_str())))
}

/// The ids of resources are the same whatever their case:
/// <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>.
fn id_of(machine: &VirtualMachine) -> Option<String> {
    machine.resource.id.as_ref().map(|id| id.to_ascii_lowercase())
}

fn has_failed(machine: &VirtualMachine) -> bool {
    let state = machine.properties.as_ref().and_then(|properties| properties.provisioning_state.as_deref());
    state.is_some_and(|state| state.eq_ignore_ascii_case("failed") || state.eq_ignore_ascii_case("canceled"))
}

async fn state_of(shared: &Shared, machine: &VirtualMachine) -> Result<Option<String>, AzureError> {
    match shared.arm.power_state(machine.resource.name.as_deref().unwrap_or_default()).await {
        Err(error) if error.is_not_found() => Ok(None),
        state => state,
    }
}

/// A machine's id and the private address of its interface.
fn address_of(interface: &Interface) -> Option<(String, String)> {
    let machine = interface.properties.virtual_machine.as_ref()?;
    let addresses = interface.properties.ip_configurations.iter();
    let mut addresses = addresses.filter_map(|of| of.properties.private_ip_address.clone());
    Some((machine.id.to_ascii_lowercase(), addresses.next()?))
}
