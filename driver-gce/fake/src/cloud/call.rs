//! From a call to its answer.

use super::{Cloud, state::Remembered, state::unknown_zone};
use crate::{
    http::{ApiError, Call, Query},
    names::is_request_id,
};
use serde_json::Value;
use std::time::Instant;

impl Cloud {
    /// What a call is refused for, whatever it asks for.
    pub(crate) fn admit(&mut self, project: &str, call: &Call) -> Result<(), ApiError> {
        if let Some(refusal) = self.next_refusal() {
            return Err(refusal);
        }
        if project != self.settings.project {
            return Err(ApiError::not_found(&format!("projects/{project}")));
        }
        let Some(zone) = call.zone() else { return Ok(()) };
        if !self.zones.contains_key(zone) {
            return Err(unknown_zone(zone));
        }
        if self.unreachable.contains(zone) {
            return Err(ApiError::backend(&format!("zones/{zone}")));
        }
        Ok(())
    }

    /// Answers a call that is admitted.
    pub(crate) fn answer(&mut self, call: &Call, query: &Query, body: &Value) -> Result<Value, ApiError> {
        match call {
            Call::ListZones => self.list_zones(query),
            Call::GetZone { zone } => self.zone_resource(zone),
            Call::ListMachineTypes { zone } => self.list_machine_types(zone, query),
            Call::GetMachineType { zone, name } => self.machine_type(zone, name),
            Call::AggregatedInstances => self.aggregated_instances(query),
            Call::ListInstances { zone } => self.list_instances(zone, query),
            Call::GetInstance { zone, instance } => Ok(self.instance(zone, instance)?.resource.clone()),
            Call::GuestAttributes { zone, instance } => self.guest_attributes(zone, instance, query),
            Call::ListOperations { zone } => self.list_operations(zone, query),
            Call::GetOperation { zone, operation } | Call::WaitForOperation { zone, operation } => {
                Ok(self.operation(zone, operation)?.resource.clone())
            }
            Call::InsertInstance { zone } => self.once(query, zone, |cloud| cloud.insert(zone, body)),
            Call::DeleteInstance { zone, instance } => {
                self.once(query, zone, |cloud| cloud.delete(zone, instance))
            }
            Call::StopInstance { zone, instance } => {
                self.once(query, zone, |cloud| cloud.stop(zone, instance))
            }
            Call::SetLabels { zone, instance } => {
                self.once(query, zone, |cloud| cloud.set_labels(zone, instance, body))
            }
            Call::SetMetadata { zone, instance } => {
                self.once(query, zone, |cloud| cloud.set_metadata(zone, instance, body))
            }
            Call::SetTags { zone, instance } => {
                self.once(query, zone, |cloud| cloud.set_tags(zone, instance, body))
            }
        }
    }

    /// "If you make the request again with the same request ID, the server can check if original operation
    /// with the same request ID was received, and if so, will ignore the second request":
    /// <https://cloud.google.com/compute/docs/reference/rest/v1/instances/insert>. A call that was refused
    /// has left no operation.
    fn once(
        &mut self,
        query: &Query,
        zone: &str,
        act: impl FnOnce(&mut Self) -> Result<Value, ApiError>,
    ) -> Result<Value, ApiError> {
        let Some(id) = query.text("requestId") else { return act(self) };
        if !is_request_id(id) {
            return Err(ApiError::invalid("requestId", id, "Must be a valid UUID other than the zero UUID."));
        }
        let id = id.to_ascii_lowercase();
        let (now, window) = (Instant::now(), self.settings.request_id_window);
        let known = self.requests.get(&id).filter(|known| now.duration_since(known.at) < window);
        if let Some(known) = known {
            return Ok(self.operation(&known.zone, &known.operation)?.resource.clone());
        }
        let answer = act(self)?;
        let operation = answer["name"].as_str().unwrap_or_default().to_owned();
        self.requests.insert(id, Remembered { at: now, zone: zone.to_owned(), operation });
        Ok(answer)
    }
}
