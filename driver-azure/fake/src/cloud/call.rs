//! From a call to its answer.

use super::Cloud;
use crate::http::{Answer, ApiError, Area, Call, Kind, Query};
use serde_json::Value;

/// The headers that make a call depend on what there is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Preconditions<'a> {
    pub(crate) if_match: Option<&'a str>,
    pub(crate) if_none_match: Option<&'a str>,
}

impl Preconditions<'_> {
    /// Whether they hold for a resource with this `etag`, or for none.
    pub(super) fn check(self, etag: Option<&str>) -> Result<(), ApiError> {
        let is_there = |wanted: &str| etag.is_some_and(|etag| wanted == "*" || wanted == etag);
        let holds = self.if_match.is_none_or(is_there) && !self.if_none_match.is_some_and(is_there);
        if holds { Ok(()) } else { Err(ApiError::precondition()) }
    }
}

impl Cloud {
    /// What a call is refused for, whatever it asks for.
    pub(crate) fn admit(&mut self, subscription: &str, call: &Call, version: &str) -> Result<(), ApiError> {
        if let Some(refusal) = self.next_refusal() {
            return Err(refusal);
        }
        if !subscription.eq_ignore_ascii_case(&self.settings.subscription) {
            return Err(ApiError::subscription_not_found(subscription));
        }
        let known = match call.area() {
            Area::Machines => &self.settings.machine_versions,
            Area::Disks => &self.settings.disk_versions,
            Area::Network => &self.settings.network_versions,
        };
        if !known.iter().any(|known| known.eq_ignore_ascii_case(version)) {
            return Err(ApiError::unknown_version(&self.settings.location, version, call.of_type(), known));
        }
        call.group().map_or(Ok(()), |group| self.group(group).map(|_| ()))
    }

    /// Lets links start with the address under which the caller knows the stand-in: it may be that of a
    /// proxy, and a careful client follows no links to elsewhere.
    pub(crate) fn set_url(&mut self, url: String) {
        self.url = url;
    }

    /// Answers a call that is admitted.
    pub(crate) fn answer(
        &mut self,
        call: &Call,
        path: &str,
        query: &Query,
        body: &Value,
        preconditions: Preconditions<'_>,
    ) -> Result<Answer, ApiError> {
        let version = query.text("api-version").unwrap_or_default();
        match call {
            Call::List { kind, group } => self.list(*kind, group.as_deref(), path, query),
            Call::ListByLocation { location } => self.list_by_location(location, path, query),
            Call::Get { kind: Kind::Machine, name } => {
                let machine = self.machine_at(name)?;
                let expand = query.text("$expand").unwrap_or_default();
                let with_view = expand.split(',').any(|part| part.eq_ignore_ascii_case("instanceView"));
                Ok(Answer::ok(if with_view { machine.expanded() } else { machine.resource.clone() }))
            }
            Call::Get { kind, name } => self.get_part(*kind, name, query),
            Call::Put { kind: Kind::Machine, name } => self.put_machine(name, body, version, preconditions),
            Call::Put { kind: Kind::Disk, name } => self.put_disk(name, body, version),
            Call::Put { kind: Kind::Interface, name } => self.put_interface(name, body, version),
            Call::Patch { kind: Kind::Machine, name } => {
                self.patch_machine(name, body, version, preconditions)
            }
            Call::Patch { kind, name } => self.patch_part(*kind, name, body),
            Call::Delete { kind: Kind::Machine, name } => Ok(self.delete_machine(name, version)),
            Call::Delete { kind, name } => self.delete_part(*kind, name, version),
            Call::InstanceView { name } => Ok(Answer::ok(self.machine_at(name)?.instance_view())),
            Call::Power { power, name } => self.power(*power, name, version),
            Call::SimulateEviction { name } => self.simulate_eviction(name),
            Call::Operation { area, id } if query.is("monitor", "true") => {
                self.operation_result(*area, id, version)
            }
            Call::Operation { area, id } => self.operation_status(*area, id),
            Call::OperationResult { id } => self.operation_result(Area::Network, id, version),
            // Public addresses are made with their interfaces here, and not by themselves.
            Call::Put { kind: Kind::Address, .. } => Err(ApiError::no_method("PUT")),
        }
    }
}
