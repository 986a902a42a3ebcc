//! Scheduling: <https://cloud.google.com/compute/docs/instances/create-use-spot> and
//! <https://cloud.google.com/compute/docs/instances/limit-vm-runtime>.

use super::read;
use crate::http::ApiError;
use serde_json::{Map, Value, json};

const PATH: &str = "resource.scheduling";

/// An instance's scheduling as the API shows it: what is not said has its default.
pub(super) fn scheduling(body: &Value) -> Result<Value, ApiError> {
    let given = Value::Object(read::object(body, "scheduling", "resource")?.cloned().unwrap_or_default());
    let model = read::some_text(&given, "provisioningModel", PATH)?;
    let preemptible = read::flag(&given, "preemptible", PATH)?.unwrap_or(false);
    let model = model.unwrap_or(if preemptible { "SPOT" } else { "STANDARD" });
    if !["STANDARD", "SPOT", "FLEX_START", "RESERVATION_BOUND"].contains(&model) {
        return Err(invalid("provisioningModel", model, "Unknown provisioning model."));
    }
    let is_spot = model == "SPOT";
    if preemptible && !is_spot {
        return Err(invalid(
            "preemptible",
            "true",
            "Scheduling must have preemptible be false when provisioningModel isn't SPOT.",
        ));
    }
    let restart = read::flag(&given, "automaticRestart", PATH)?.unwrap_or(!is_spot);
    // "Invalid value for field 'resource.scheduling.preemptible': 'true'. Scheduling must have preemptible be
    // false when AutomaticRestart is true.": https://github.com/elasticluster/elasticluster/issues/568
    if is_spot && restart {
        return Err(invalid(
            "preemptible",
            "true",
            "Scheduling must have preemptible be false when AutomaticRestart is true.",
        ));
    }
    let maintenance = read::some_text(&given, "onHostMaintenance", PATH)?;
    let maintenance = maintenance.unwrap_or(if is_spot { "TERMINATE" } else { "MIGRATE" });
    if !["MIGRATE", "TERMINATE"].contains(&maintenance) {
        return Err(invalid("onHostMaintenance", maintenance, "Unknown maintenance behavior."));
    }
    // "Scheduling must have preemptible be false when OnHostMaintenance isn't TERMINATE.":
    // https://github.com/lighttransport/francine/issues/5
    if is_spot && maintenance != "TERMINATE" {
        let why = "Scheduling must have preemptible be false when OnHostMaintenance isn't TERMINATE.";
        return Err(invalid("preemptible", "true", why));
    }
    let mut scheduling = Map::new();
    scheduling.insert("provisioningModel".into(), model.into());
    scheduling.insert("preemptible".into(), is_spot.into());
    scheduling.insert("automaticRestart".into(), restart.into());
    scheduling.insert("onHostMaintenance".into(), maintenance.into());
    let run = max_run_duration(&given)?;
    let action = read::some_text(&given, "instanceTerminationAction", PATH)?;
    if action.is_some_and(|action| !["STOP", "DELETE"].contains(&action)) {
        return Err(invalid(
            "instanceTerminationAction",
            action.unwrap_or_default(),
            "Unknown termination action.",
        ));
    }
    if action.is_some() && !is_spot && run.is_none() {
        let why = "You cannot specify a termination action for a VM instance that has the standard \
                   provisioning model (default) without a time limit.";
        return Err(invalid("instanceTerminationAction", action.unwrap_or_default(), why));
    }
    // "Compute Engine either stops (default) or deletes your Spot VMs":
    // https://cloud.google.com/compute/docs/instances/spot
    if let Some(action) = action.or(is_spot.then_some("STOP")) {
        scheduling.insert("instanceTerminationAction".into(), action.into());
    }
    if let Some(seconds) = run {
        scheduling.insert("maxRunDuration".into(), json!({ "seconds": seconds.to_string() }));
    }
    Ok(Value::Object(scheduling))
}

/// A time limit is of 30 seconds at least and of 120 days at most.
fn max_run_duration(given: &Value) -> Result<Option<u64>, ApiError> {
    if read::object(given, "maxRunDuration", PATH)?.is_none() {
        return Ok(None);
    }
    let duration = &given["maxRunDuration"];
    let seconds = read::number(duration, "seconds", &format!("{PATH}.maxRunDuration"))?.unwrap_or(0);
    if !(30..=120 * 24 * 60 * 60).contains(&seconds) {
        return Err(invalid("maxRunDuration", &seconds.to_string(), "Must be from 30 seconds to 120 days."));
    }
    Ok(Some(seconds))
}

fn invalid(field: &str, value: &str, why: &str) -> ApiError {
    ApiError::invalid(&format!("{PATH}.{field}"), value, why)
}

#[cfg(test)]
mod tests {
    use super::scheduling;
    use serde_json::{Value, json};

    fn of(given: &Value) -> Option<Value> {
        scheduling(&json!({ "scheduling": given })).ok()
    }

    #[test]
    fn spot_instances_neither_restart_nor_migrate() {
        let spot = of(&json!({ "provisioningModel": "SPOT" })).unwrap();
        assert_eq!(spot["automaticRestart"], false);
        assert_eq!(spot["onHostMaintenance"], "TERMINATE");
        assert_eq!(spot["preemptible"], true);
        assert_eq!(spot["instanceTerminationAction"], "STOP");
        assert!(of(&json!({ "provisioningModel": "SPOT", "automaticRestart": true })).is_none());
        assert!(of(&json!({ "provisioningModel": "SPOT", "onHostMaintenance": "MIGRATE" })).is_none());
        assert!(of(&json!({ "provisioningModel": "STANDARD", "preemptible": true })).is_none());
    }

    #[test]
    fn a_termination_action_needs_a_reason_to_terminate() {
        assert!(of(&json!({ "instanceTerminationAction": "DELETE" })).is_none());
        let limited =
            json!({ "instanceTerminationAction": "DELETE", "maxRunDuration": { "seconds": "3600" } });
        assert_eq!(of(&limited).unwrap()["maxRunDuration"]["seconds"], "3600");
        assert!(of(&json!({ "maxRunDuration": { "seconds": "29" } })).is_none());
        let spot =
            of(&json!({ "provisioningModel": "SPOT", "instanceTerminationAction": "DELETE" })).unwrap();
        assert_eq!(spot["instanceTerminationAction"], "DELETE");
    }
}
