//! From a method and a path to a call.

use super::ApiError;
use percent_encoding::percent_decode_str;

/// What is called, <https://cloud.google.com/compute/docs/reference/rest/v1>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    ListZones,
    GetZone { zone: String },
    ListMachineTypes { zone: String },
    GetMachineType { zone: String, name: String },
    AggregatedInstances,
    ListInstances { zone: String },
    InsertInstance { zone: String },
    GetInstance { zone: String, instance: String },
    DeleteInstance { zone: String, instance: String },
    SetLabels { zone: String, instance: String },
    SetMetadata { zone: String, instance: String },
    SetTags { zone: String, instance: String },
    StopInstance { zone: String, instance: String },
    GuestAttributes { zone: String, instance: String },
    ListOperations { zone: String },
    GetOperation { zone: String, operation: String },
    WaitForOperation { zone: String, operation: String },
}

impl Call {
    /// The project and the call. A path that no method has is "not found", as is a method that the path does
    /// not have.
    pub(crate) fn parse(method: &str, path: &str) -> Result<(String, Call), ApiError> {
        let path = path.strip_prefix("/compute/v1/projects/").ok_or_else(ApiError::no_method)?;
        let parts: Vec<String> =
            path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let [project, rest @ ..] = parts.as_slice() else { return Err(ApiError::no_method()) };
        Ok(((*project).to_owned(), Self::of_project(method, rest).ok_or_else(ApiError::no_method)?))
    }

    fn of_project(method: &str, parts: &[&str]) -> Option<Call> {
        Some(match (method, parts) {
            ("GET", ["zones"]) => Call::ListZones,
            ("GET", ["aggregated", "instances"]) => Call::AggregatedInstances,
            ("GET", ["zones", zone]) => Call::GetZone { zone: (*zone).into() },
            (_, ["zones", zone, rest @ ..]) => return Self::of_zone(method, zone, rest),
            _ => return None,
        })
    }

    fn of_zone(method: &str, zone: &str, parts: &[&str]) -> Option<Call> {
        let zone = zone.to_owned();
        Some(match (method, parts) {
            ("GET", ["machineTypes"]) => Call::ListMachineTypes { zone },
            ("GET", ["machineTypes", name]) => Call::GetMachineType { zone, name: (*name).into() },
            ("GET", ["instances"]) => Call::ListInstances { zone },
            ("POST", ["instances"]) => Call::InsertInstance { zone },
            ("GET", ["operations"]) => Call::ListOperations { zone },
            ("GET", ["operations", operation]) => Call::GetOperation { zone, operation: (*operation).into() },
            ("POST", ["operations", operation, "wait"]) => {
                Call::WaitForOperation { zone, operation: (*operation).into() }
            }
            (_, ["instances", instance, rest @ ..]) => {
                return Self::of_instance(method, zone, (*instance).to_owned(), rest);
            }
            _ => return None,
        })
    }

    fn of_instance(method: &str, zone: String, instance: String, parts: &[&str]) -> Option<Call> {
        Some(match (method, parts) {
            ("GET", []) => Call::GetInstance { zone, instance },
            ("DELETE", []) => Call::DeleteInstance { zone, instance },
            ("POST", ["setLabels"]) => Call::SetLabels { zone, instance },
            ("POST", ["setMetadata"]) => Call::SetMetadata { zone, instance },
            ("POST", ["setTags"]) => Call::SetTags { zone, instance },
            ("POST", ["stop"]) => Call::StopInstance { zone, instance },
            ("GET", ["getGuestAttributes"]) => Call::GuestAttributes { zone, instance },
            _ => return None,
        })
    }

    /// The zone that the call is for.
    pub(crate) fn zone(&self) -> Option<&str> {
        match self {
            // A zone's own resource is asked for by its name, and not found by it.
            Call::ListZones | Call::AggregatedInstances | Call::GetZone { .. } => None,
            Call::ListMachineTypes { zone }
            | Call::GetMachineType { zone, .. }
            | Call::ListInstances { zone }
            | Call::InsertInstance { zone }
            | Call::GetInstance { zone, .. }
            | Call::DeleteInstance { zone, .. }
            | Call::SetLabels { zone, .. }
            | Call::SetMetadata { zone, .. }
            | Call::SetTags { zone, .. }
            | Call::StopInstance { zone, .. }
            | Call::GuestAttributes { zone, .. }
            | Call::ListOperations { zone }
            | Call::GetOperation { zone, .. }
            | Call::WaitForOperation { zone, .. } => Some(zone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Call;

    #[test]
    fn paths() {
        let parse = |method, path: &str| {
            Call::parse(method, &format!("/compute/v1/projects/{path}")).map(|(_, call)| call)
        };
        assert_eq!(parse("GET", "p/aggregated/instances").unwrap(), Call::AggregatedInstances);
        let (zone, instance) = ("z".to_owned(), "a".to_owned());
        assert_eq!(
            parse("POST", "p/zones/z/instances/a/setLabels").unwrap(),
            Call::SetLabels { zone, instance }
        );
        for (method, path) in [
            ("GET", "p"),
            ("DELETE", "p/zones/z"),
            ("POST", "p/zones/z/instances/a"),
            ("POST", "p/zones/z/instances/a/reset"),
            ("GET", "p/zones/z/instances/a/setLabels"),
            ("GET", "p/zones/z/operations/o/wait"),
        ] {
            assert_eq!(parse(method, path).unwrap_err().status, 404, "{method} {path}");
        }
        assert_eq!(Call::parse("GET", "/compute/beta/projects/p/zones").unwrap_err().status, 404);
    }
}
