//! From a method and a path to a call.

use super::ApiError;
use percent_encoding::percent_decode_str;

/// A type of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Machine,
    Disk,
    Interface,
    Address,
}

/// Whose operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    Machines,
    Disks,
    Network,
}

/// What is done to a machine's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    Start,
    Deallocate,
    Off,
    Restart,
}

/// Which resource, as the caller writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) group: String,
    pub(crate) name: String,
}

/// What is called: <https://learn.microsoft.com/en-us/rest/api/compute/virtual-machines>,
/// <https://learn.microsoft.com/en-us/rest/api/compute/disks>,
/// <https://learn.microsoft.com/en-us/rest/api/virtualnetwork/network-interfaces>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Without a group, all of the subscription.
    List {
        kind: Kind,
        group: Option<String>,
    },
    ListByLocation {
        location: String,
    },
    Get {
        kind: Kind,
        name: Name,
    },
    Put {
        kind: Kind,
        name: Name,
    },
    Patch {
        kind: Kind,
        name: Name,
    },
    Delete {
        kind: Kind,
        name: Name,
    },
    InstanceView {
        name: Name,
    },
    Power {
        power: Power,
        name: Name,
    },
    SimulateEviction {
        name: Name,
    },
    /// How an operation is.
    Operation {
        area: Area,
        id: String,
    },
    /// What an operation has led to, for the networks' own path.
    OperationResult {
        id: String,
    },
}

impl Kind {
    fn parse(namespace: &str, resource_type: &str) -> Option<Self> {
        [Kind::Machine, Kind::Disk, Kind::Interface, Kind::Address].into_iter().find(|kind| {
            kind.namespace().eq_ignore_ascii_case(namespace)
                && kind.plain().eq_ignore_ascii_case(resource_type)
        })
    }

    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Kind::Machine | Kind::Disk => "Microsoft.Compute",
            Kind::Interface | Kind::Address => "Microsoft.Network",
        }
    }

    /// The type without its namespace.
    pub(crate) fn plain(self) -> &'static str {
        match self {
            Kind::Machine => "virtualMachines",
            Kind::Disk => "disks",
            Kind::Interface => "networkInterfaces",
            Kind::Address => "publicIPAddresses",
        }
    }

    /// Such as `Microsoft.Compute/virtualMachines`.
    pub(crate) fn full(self) -> String {
        format!("{}/{}", self.namespace(), self.plain())
    }

    pub(crate) fn area(self) -> Area {
        match self {
            Kind::Machine => Area::Machines,
            Kind::Disk => Area::Disks,
            Kind::Interface | Kind::Address => Area::Network,
        }
    }
}

fn is(text: &str, literal: &str) -> bool {
    text.eq_ignore_ascii_case(literal)
}

impl Call {
    /// The subscription and the call. The literal parts of a path have no case.
    pub(crate) fn parse(method: &str, path: &str, version: &str) -> Result<(String, Call), ApiError> {
        let parts: Vec<String> = path
            .trim_matches('/')
            .split('/')
            .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let [first, subscription, rest @ ..] = parts.as_slice() else { return Err(ApiError::no_route()) };
        if !is(first, "subscriptions") {
            return Err(ApiError::no_route());
        }
        let call = match rest {
            [groups, group, providers, namespace, resource_type, rest @ ..]
                if is(groups, "resourceGroups") && is(providers, "providers") =>
            {
                let kind = kind(namespace, resource_type, version)?;
                Self::of_group(method, kind, group, rest)
            }
            [providers, namespace, locations, location, rest @ ..]
                if is(providers, "providers") && is(locations, "locations") =>
            {
                Self::of_location(method, namespace, location, rest)
            }
            [providers, namespace, resource_type] if is(providers, "providers") => {
                let kind = kind(namespace, resource_type, version)?;
                Ok((method == "GET").then_some(Call::List { kind, group: None }))
            }
            _ => Err(ApiError::no_route()),
        }?;
        Ok(((*subscription).to_owned(), call.ok_or_else(|| ApiError::no_method(method))?))
    }

    fn of_group(method: &str, kind: Kind, group: &str, rest: &[&str]) -> Result<Option<Call>, ApiError> {
        let name = |name: &str| Name { group: group.to_owned(), name: name.to_owned() };
        Ok(match rest {
            [] => (method == "GET").then(|| Call::List { kind, group: Some(group.to_owned()) }),
            [one] => match method {
                "GET" => Some(Call::Get { kind, name: name(one) }),
                "PUT" => Some(Call::Put { kind, name: name(one) }),
                "PATCH" => Some(Call::Patch { kind, name: name(one) }),
                "DELETE" => Some(Call::Delete { kind, name: name(one) }),
                _ => None,
            },
            [one, action] if kind == Kind::Machine => return Self::of_machine(method, name(one), action),
            _ => return Err(ApiError::no_route()),
        })
    }

    fn of_machine(method: &str, name: Name, action: &str) -> Result<Option<Call>, ApiError> {
        if is(action, "instanceView") {
            return Ok((method == "GET").then_some(Call::InstanceView { name }));
        }
        let power = [
            ("start", Power::Start),
            ("deallocate", Power::Deallocate),
            ("powerOff", Power::Off),
            ("restart", Power::Restart),
        ];
        let call = match power.into_iter().find(|(literal, _)| is(action, literal)) {
            Some((_, power)) => Call::Power { power, name },
            None if is(action, "simulateEviction") => Call::SimulateEviction { name },
            None => return Err(ApiError::no_route()),
        };
        Ok((method == "POST").then_some(call))
    }

    fn of_location(
        method: &str,
        namespace: &str,
        location: &str,
        rest: &[&str],
    ) -> Result<Option<Call>, ApiError> {
        let (compute, network) = (is(namespace, "Microsoft.Compute"), is(namespace, "Microsoft.Network"));
        let call = match rest {
            [machines] if compute && is(machines, "virtualMachines") => {
                Call::ListByLocation { location: location.to_owned() }
            }
            [operations, id] if compute && is(operations, "operations") => {
                Call::Operation { area: Area::Machines, id: (*id).to_owned() }
            }
            [operations, id] if compute && is(operations, "DiskOperations") => {
                Call::Operation { area: Area::Disks, id: (*id).to_owned() }
            }
            [operations, id] if network && is(operations, "operations") => {
                Call::Operation { area: Area::Network, id: (*id).to_owned() }
            }
            [results, id] if network && is(results, "operationResults") => {
                Call::OperationResult { id: (*id).to_owned() }
            }
            _ => return Err(ApiError::no_route()),
        };
        Ok((method == "GET").then_some(call))
    }

    /// Which versions of the API there are for it goes by this.
    pub(crate) fn area(&self) -> Area {
        match self {
            Call::List { kind, .. }
            | Call::Get { kind, .. }
            | Call::Put { kind, .. }
            | Call::Patch { kind, .. }
            | Call::Delete { kind, .. } => kind.area(),
            Call::ListByLocation { .. }
            | Call::InstanceView { .. }
            | Call::Power { .. }
            | Call::SimulateEviction { .. } => Area::Machines,
            Call::Operation { area, .. } => *area,
            Call::OperationResult { .. } => Area::Network,
        }
    }

    /// The type as the error for an unknown version names it.
    pub(crate) fn of_type(&self) -> &'static str {
        match self {
            Call::List { kind, .. }
            | Call::Get { kind, .. }
            | Call::Put { kind, .. }
            | Call::Patch { kind, .. }
            | Call::Delete { kind, .. } => kind.plain(),
            Call::ListByLocation { .. }
            | Call::InstanceView { .. }
            | Call::Power { .. }
            | Call::SimulateEviction { .. } => "virtualMachines",
            Call::Operation { area: Area::Disks, .. } => "locations/DiskOperations",
            Call::Operation { .. } => "locations/operations",
            Call::OperationResult { .. } => "locations/operationResults",
        }
    }

    /// The resource group that it is for.
    pub(crate) fn group(&self) -> Option<&str> {
        match self {
            Call::List { group, .. } => group.as_deref(),
            Call::Get { name, .. }
            | Call::Put { name, .. }
            | Call::Patch { name, .. }
            | Call::Delete { name, .. }
            | Call::InstanceView { name }
            | Call::Power { name, .. }
            | Call::SimulateEviction { name } => Some(&name.group),
            Call::ListByLocation { .. } | Call::Operation { .. } | Call::OperationResult { .. } => None,
        }
    }
}

fn kind(namespace: &str, resource_type: &str, version: &str) -> Result<Kind, ApiError> {
    if !is(namespace, "Microsoft.Compute") && !is(namespace, "Microsoft.Network") {
        return Err(ApiError::no_namespace(namespace));
    }
    Kind::parse(namespace, resource_type).ok_or_else(|| ApiError::no_type(namespace, resource_type, version))
}

#[cfg(test)]
mod tests {
    use super::{Area, Call, Kind, Name, Power};

    fn parse(method: &str, path: &str) -> Result<Call, u16> {
        let parsed = Call::parse(method, &format!("/subscriptions/s/{path}"), "2024-07-01");
        parsed.map(|(_, call)| call).map_err(|error| error.status())
    }

    #[test]
    fn paths() {
        let name = Name { group: "G".into(), name: "vm 1".into() };
        let machines = "resourceGroups/G/providers/Microsoft.Compute/virtualMachines";
        let kind = Kind::Machine;
        assert_eq!(parse("GET", machines), Ok(Call::List { kind, group: Some("G".into()) }));
        assert_eq!(parse("PUT", &format!("{machines}/vm%201")), Ok(Call::Put { kind, name: name.clone() }));
        let lower = "resourcegroups/G/PROVIDERS/microsoft.compute/virtualmachines/vm%201/POWEROFF";
        assert_eq!(parse("POST", lower), Ok(Call::Power { power: Power::Off, name }));
        let operation = "providers/Microsoft.Compute/locations/westeurope/DiskOperations/x";
        assert_eq!(parse("GET", operation), Ok(Call::Operation { area: Area::Disks, id: "x".into() }));
        for (method, path, status) in [
            ("GET", "resourceGroups/G/providers/Microsoft.Storage/x/y", 404),
            ("GET", "resourceGroups/G/providers/Microsoft.Compute/x/y", 404),
            ("POST", machines, 405),
            ("GET", &format!("{machines}/a/start"), 405),
            ("POST", &format!("{machines}/a/reimage"), 404),
            ("GET", "resourceGroups", 404),
        ] {
            assert_eq!(parse(method, path), Err(status), "{method} {path}");
        }
    }
}
