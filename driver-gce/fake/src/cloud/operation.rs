//! Operations: <https://cloud.google.com/compute/docs/reference/rest/v1/zoneOperations>.

use super::{Cloud, Event, state::Number};
use crate::{OutOfStock, clock::timestamp, http::ApiError};
use serde_json::{Map, Value, json};
use std::time::SystemTime;
use tokio::sync::watch;

/// An operation.
pub(super) struct Operation {
    pub(super) number: Number,
    /// As the API shows it.
    pub(super) resource: Value,
    /// What its end does.
    pub(super) effect: Option<Effect>,
    /// Whether it is done.
    pub(super) done: watch::Sender<bool>,
}

/// What an operation's end does to an instance.
pub(super) enum Effect {
    Insert,
    /// The insert fails.
    Refuse(Failure),
    SetLabels {
        labels: Map<String, Value>,
        fingerprint: String,
    },
    SetMetadata {
        items: Vec<Value>,
        fingerprint: String,
    },
    SetTags {
        items: Vec<Value>,
        fingerprint: String,
    },
    Stop,
    Delete,
}

/// Why an operation has failed.
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) status: u16,
    pub(super) reason: &'static str,
    pub(super) details: Vec<Value>,
}

/// A new operation on an instance.
pub(super) struct Starts<'a> {
    pub(super) kind: &'a str,
    pub(super) zone: &'a str,
    pub(super) instance: &'a str,
    pub(super) id: u64,
    pub(super) effect: Effect,
    pub(super) warnings: Vec<Value>,
}

impl Cloud {
    /// Starts an operation, which ends after the settings' time, and shows it.
    pub(super) fn start(&mut self, starts: Starts<'_>) -> Result<Value, ApiError> {
        let Starts { kind, zone, instance, id, effect, warnings } = starts;
        let number = self.number();
        let now = SystemTime::now();
        let millis = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
        // The names of real ones have this form. The sequence in the middle keeps the order of those of one
        // millisecond.
        let name = format!("operation-{millis}-{:013x}-{:016x}", number.sequence, number.id);
        let mut resource = json!({
            "kind": "compute#operation",
            "id": number.id.to_string(),
            "name": name,
            "zone": self.link(&format!("zones/{zone}")),
            "operationType": kind,
            "targetLink": self.link(&format!("zones/{zone}/instances/{instance}")),
            "targetId": id.to_string(),
            "status": "RUNNING",
            "user": self.settings.user,
            "progress": 0,
            "insertTime": timestamp(now),
            "startTime": timestamp(now),
            "selfLink": self.link(&format!("zones/{zone}/operations/{name}")),
        });
        if !warnings.is_empty() {
            resource["warnings"] = warnings.into();
        }
        let time = self.settings.operation_time;
        if matches!(effect, Effect::Insert) {
            self.later.push((time / 2, Event::Stage { zone: zone.into(), id }));
        }
        self.later.push((time, Event::Finish { zone: zone.into(), operation: name.clone() }));
        let operation = Operation {
            number,
            resource: resource.clone(),
            effect: Some(effect),
            done: watch::Sender::new(false),
        };
        self.zone_mut(zone)?.operations.insert(name, operation);
        Ok(resource)
    }

    pub(super) fn operation(&self, zone: &str, name: &str) -> Result<&Operation, ApiError> {
        let operations = &self.zone(zone)?.operations;
        let by_id = || operations.values().find(|operation| operation.resource["id"] == name);
        let found =
            operations.get(name).or_else(|| name.starts_with(|c: char| c.is_ascii_digit()).then(by_id)?);
        found.ok_or_else(|| ApiError::not_found(&self.path(zone, "operations", name)))
    }

    /// Tells when an operation is done.
    pub(crate) fn waiter(&self, zone: &str, name: &str) -> Result<watch::Receiver<bool>, ApiError> {
        Ok(self.operation(zone, name)?.done.subscribe())
    }
}

impl Operation {
    /// The operation is done: without a failure, or with one.
    pub(super) fn end(&mut self, failure: Option<Failure>) {
        let resource = &mut self.resource;
        resource["status"] = "DONE".into();
        resource["progress"] = 100.into();
        resource["endTime"] = timestamp(SystemTime::now()).into();
        if let Some(Failure { code, message, status, reason, details }) = failure {
            let mut error = json!({ "code": code, "message": message });
            if !details.is_empty() {
                error["errorDetails"] = details.into();
            }
            resource["error"] = json!({ "errors": [error] });
            resource["httpErrorStatusCode"] = status.into();
            resource["httpErrorMessage"] = reason.into();
        }
        self.done.send_replace(true);
    }
}

impl Failure {
    /// <https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability>.
    pub(super) fn out_of_stock(form: OutOfStock, project: &str, zone: &str, machine_type: &str) -> Self {
        let mut message = format!(
            "The zone 'projects/{project}/zones/{zone}' does not have enough resources available to fulfill \
             the request."
        );
        let code = match form {
            OutOfStock::Plain => {
                message.push_str("  Try a different zone, or try again later.");
                "ZONE_RESOURCE_POOL_EXHAUSTED"
            }
            OutOfStock::WithDetails => {
                message.push_str("  '(resource type:compute)'.");
                "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"
            }
        };
        let local = format!(
            "A {machine_type} VM instance is currently unavailable in the {zone} zone. Alternatively, you \
             can try your request again with a different VM hardware configuration or at a later time. For \
             more information, see the troubleshooting documentation."
        );
        let link = json!({
            "description": "Troubleshooting documentation",
            "url": "https://cloud.google.com/compute/docs/resource-error",
        });
        let metadata =
            json!({ "attachment": "", "vmType": machine_type, "zone": zone, "zonesAvailable": "" });
        // The details as in https://github.com/GoogleCloudPlatform/ai-on-gke/issues/849.
        let details = vec![
            json!({ "help": { "links": [link] } }),
            json!({ "localizedMessage": { "locale": "en-US", "message": local } }),
            json!({ "errorInfo": {
                "reason": "resource_availability", "domain": "compute.googleapis.com", "metadatas": metadata,
            } }),
        ];
        Failure { code, message, status: 503, reason: "SERVICE UNAVAILABLE", details }
    }

    /// A fingerprint that was the current one when the call came, and is not when the change is made.
    pub(super) fn condition_not_met(message: &str) -> Self {
        let (code, message) = ("CONDITION_NOT_MET", message.to_owned());
        Failure { code, message, status: 412, reason: "PRECONDITION FAILED", details: Vec::new() }
    }

    /// An instance that was there when the call came, and is not when the change is made.
    pub(super) fn not_found(path: &str) -> Self {
        let message = format!("The resource '{path}' was not found");
        Failure { code: "RESOURCE_NOT_FOUND", message, status: 404, reason: "NOT FOUND", details: Vec::new() }
    }
}
