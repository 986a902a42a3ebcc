//! Guest attributes: <https://cloud.google.com/compute/docs/metadata/manage-guest-attributes>.

use super::Cloud;
use crate::http::{ApiError, Query};
use serde_json::{Value, json};

impl Cloud {
    /// What an instance's guest has written.
    pub(super) fn guest_attributes(
        &self,
        zone: &str,
        instance: &str,
        query: &Query,
    ) -> Result<Value, ApiError> {
        let found = self.instance(zone, instance)?;
        let query_path = query.text("queryPath");
        let variable = query.text("variableKey");
        let path = variable.or(query_path).unwrap_or_default();
        let (namespace, key) = path.split_once('/').unwrap_or((path, ""));
        // Without the metadata entry `enable-guest-attributes` nothing can be written, and so there is
        // nothing.
        let guest = found.guest.iter().filter(|_| found.has_guest_attributes());
        let items: Vec<_> = guest
            .filter(|((of, name), _)| (path.is_empty() || of == namespace) && (key.is_empty() || name == key))
            .map(|((namespace, key), value)| json!({ "namespace": namespace, "key": key, "value": value }))
            .collect();
        if items.is_empty() {
            return Err(ApiError::no_guest_attribute(path));
        }
        let link = format!("zones/{zone}/instances/{}/guestAttributes/{path}", found.name());
        let mut answer = json!({ "kind": "compute#guestAttributes", "selfLink": self.link(&link) });
        if let Some(variable) = variable {
            answer["variableKey"] = variable.into();
            answer["variableValue"] = items[0]["value"].clone();
        } else {
            answer["queryPath"] = path.into();
            answer["queryValue"] = json!({ "items": items });
        }
        Ok(answer)
    }

    /// Writes one for the instance with this name, in whatever zone.
    pub(crate) fn set_guest_attribute(&mut self, instance: &str, namespace: &str, key: &str, value: &str) {
        if let Some(found) = self.zones.values_mut().find_map(|zone| zone.instances.get_mut(instance)) {
            found.guest.insert((namespace.to_owned(), key.to_owned()), value.to_owned());
        }
    }
}
