//! Exchanges made by hand, and what they are made of.

use azure_fake::Exchange;
use serde_json::{Value, json};

/// What would be a secret.
pub(crate) const SECRET: &str = "hunter2";
pub(crate) const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-0000-0000-000000000001";
pub(crate) const COMPUTE: &str = "2024-07-01";
const DISKS: &str = "2024-03-02";
const NETWORK: &str = "2024-05-01";

pub(crate) fn id(rest: &str) -> String {
    format!("{SUBSCRIPTION}/resourceGroups/g1/providers/Microsoft.{rest}")
}

pub(crate) fn exchange(method: &str, path: String, request: Value, status: u16, response: Value) -> Exchange {
    let body = |value: Value| (!value.is_null()).then_some(value);
    Exchange { method: method.into(), path, request: body(request), status, response: body(response) }
}

/// A call about the machine `a`.
pub(crate) fn call(method: &str, rest: &str, request: Value, status: u16, response: Value) -> Exchange {
    exchange(method, id(&format!("Compute/virtualMachines/a{rest}")), request, status, response)
}

/// What creates a machine.
pub(crate) fn request() -> Value {
    json!({
        "location": "westeurope",
        "zones": ["1"],
        "tags": { "pool": "p1" },
        "properties": {
            "hardwareProfile": { "vmSize": "Standard_D2s_v5" },
            "storageProfile": {
                "imageReference": { "publisher": "Debian", "offer": "debian-12", "sku": "12-gen2", "version": "latest" },
                "osDisk": {
                    "createOption": "FromImage",
                    "deleteOption": "Delete",
                    "managedDisk": { "storageAccountType": "Premium_LRS" },
                },
                "dataDisks": [{ "lun": 0, "createOption": "Empty", "diskSizeGB": 16 }],
            },
            "osProfile": { "computerName": "a", "adminUsername": "worker", "customData": SECRET },
            "networkProfile": {
                "networkApiVersion": "2020-11-01",
                "networkInterfaceConfigurations": [{
                    "name": "nic",
                    "properties": { "ipConfigurations": [{ "name": "ip", "properties": { "primary": true } }] },
                }],
            },
            "priority": "Spot",
            "billingProfile": { "maxPrice": 0.05 },
        },
    })
}

pub(crate) fn machine() -> Value {
    json!({
        "id": id("Compute/virtualMachines/a"),
        "name": "a",
        "type": "Microsoft.Compute/virtualMachines",
        "location": "westeurope",
        "tags": { "pool": "p1" },
        "zones": ["1"],
        "properties": {
            "vmId": "00000000-0000-0000-0000-000000000009",
            "provisioningState": "Succeeded",
            "timeCreated": "2026-10-01T12:34:56.7891234+00:00",
            "hardwareProfile": { "vmSize": "Standard_D2s_v5" },
            "osProfile": { "computerName": "a", "adminUsername": "worker" },
            "storageProfile": {
                "osDisk": { "createOption": "FromImage", "osType": "Linux", "diskSizeGB": 30 },
                "dataDisks": [],
            },
            "networkProfile": { "networkInterfaces": [{ "id": id("Network/networkInterfaces/nic") }] },
        },
    })
}

pub(crate) fn view() -> Value {
    let status = json!({
        "code": "PowerState/running",
        "level": "Info",
        "displayStatus": "VM running",
        "time": "2026-10-01T12:34:56+00:00",
    });
    json!({ "statuses": [status] })
}

pub(crate) fn interface() -> Value {
    json!({
        "id": id("Network/networkInterfaces/nic"),
        "name": "nic",
        "type": "Microsoft.Network/networkInterfaces",
        "location": "westeurope",
        "etag": "W/\"1\"",
        "properties": {
            "provisioningState": "Succeeded",
            "ipConfigurations": [{
                "name": "ip",
                "properties": { "privateIPAddress": "10.0.0.4", "privateIPAllocationMethod": "Dynamic" },
            }],
            "virtualMachine": { "id": id("Compute/virtualMachines/a") },
            "primary": true,
        },
    })
}

pub(crate) fn disk() -> Value {
    json!({
        "id": id("Compute/disks/d"),
        "name": "d",
        "type": "Microsoft.Compute/disks",
        "location": "westeurope",
        "sku": { "name": "Premium_LRS", "tier": "Premium" },
        "properties": {
            "creationData": { "createOption": "Empty" },
            "diskSizeGB": 16,
            "diskState": "Attached",
            "provisioningState": "Succeeded",
        },
    })
}

pub(crate) fn state(status: &str) -> Value {
    let mut state = json!({ "name": "o", "startTime": "2026-10-01T12:34:56+00:00", "status": status });
    if status != "InProgress" {
        state["endTime"] = "2026-10-01T12:34:57+00:00".into();
    }
    state
}

pub(crate) fn error() -> Value {
    json!({ "error": { "code": "ResourceNotFound", "message": "It was not found." } })
}

/// The same with another value at this place, which may be new; without it, if the value is null.
pub(crate) fn with(mut whole: Value, place: &str, value: Value) -> Value {
    let (parent, name) = place.rsplit_once('/').expect("a pointer");
    match whole.pointer_mut(parent).expect("a place that is there") {
        Value::Array(elements) => elements[name.parse::<usize>().expect("an index")] = value,
        Value::Object(members) if value.is_null() => drop(members.remove(name)),
        parent => parent[name] = value,
    }
    whole
}

pub(crate) fn get(query: &str, response: Value) -> Exchange {
    call("GET", &format!("?api-version={COMPUTE}{query}"), Value::Null, 200, response)
}

pub(crate) fn put(request: Value) -> Exchange {
    call("PUT", &format!("?api-version={COMPUTE}"), request, 201, machine())
}

pub(crate) fn patch(request: Value) -> Exchange {
    call("PATCH", &format!("?api-version={COMPUTE}"), request, 200, machine())
}

pub(crate) fn list(query: &str, machine: &Value) -> Exchange {
    let path = format!("{}?api-version={COMPUTE}{query}", id("Compute/virtualMachines"));
    exchange("GET", path, Value::Null, 200, json!({ "value": [machine], "nextLink": "https://a/b" }))
}

pub(crate) fn get_interface(response: Value) -> Exchange {
    let path = format!("{}?api-version={NETWORK}", id("Network/networkInterfaces/nic"));
    exchange("GET", path, Value::Null, 200, response)
}

pub(crate) fn list_disks(disk: &Value) -> Exchange {
    let path = format!("{}?api-version={DISKS}", id("Compute/disks"));
    exchange("GET", path, Value::Null, 200, json!({ "value": [disk] }))
}

pub(crate) fn operation(response: Value) -> Exchange {
    let path = format!(
        "{SUBSCRIPTION}/providers/Microsoft.Compute/locations/westeurope/operations/o?api-version={COMPUTE}"
    );
    exchange("GET", path, Value::Null, 200, response)
}

pub(crate) fn fails(status: u16, response: Value) -> Exchange {
    call("GET", &format!("?api-version={COMPUTE}"), Value::Null, status, response)
}

pub(crate) fn sign_in(status: u16, response: Value) -> Exchange {
    exchange("POST", "/t/oauth2/v2.0/token".into(), Value::Null, status, response)
}

pub(crate) fn token() -> Value {
    json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": SECRET })
}
