//! Exchanges with mistakes.

use crate::exchanges::{
    COMPUTE, SECRET, SUBSCRIPTION, call, disk, error, exchange, fails, get, get_interface, id, interface,
    list, list_disks, machine, operation, patch, put, request, sign_in, state, token, view, with,
};
use azure_fake::Exchange;
use serde_json::{Value, json};

/// An exchange with one mistake, and how the mistake is told.
pub(crate) struct Mistake {
    pub(crate) exchange: Exchange,
    pub(crate) told: &'static str,
}

/// Exchanges without a mistake.
pub(crate) fn good() -> Vec<Exchange> {
    let viewed = with(machine(), "/properties/instanceView", view());
    let failed = with(state("Failed"), "/error", json!({ "code": "AllocationFailed", "message": "Full." }));
    let details = json!([{ "code": "Conflict", "message": "Inner.", "target": "vm" }]);
    let version = format!("?api-version={COMPUTE}");
    vec![
        put(request()),
        patch(json!({ "tags": { "a": "b" } })),
        get("", machine()),
        get("&$expand=instanceView", viewed.clone()),
        list("&%24skiptoken=abc", &machine()),
        exchange(
            "GET",
            format!("{SUBSCRIPTION}/providers/Microsoft.Compute/virtualMachines{version}&statusOnly=true"),
            Value::Null,
            200,
            json!({ "value": [viewed] }),
        ),
        call("GET", &format!("/instanceView{version}"), Value::Null, 200, view()),
        call("POST", &format!("/powerOff{version}&skipShutdown=true"), Value::Null, 202, Value::Null),
        call("DELETE", &format!("{version}&forceDeletion=true"), Value::Null, 204, Value::Null),
        get_interface(interface()),
        list_disks(&disk()),
        operation(state("InProgress")),
        operation(state("Succeeded")),
        operation(failed),
        fails(404, error()),
        fails(409, with(error(), "/error/details", details)),
        sign_in(200, token()),
        sign_in(401, json!({ "error": "invalid_client", "error_description": "AADSTS7000215: No." })),
        call("PUT", &version, request(), 0, Value::Null),
    ]
}

fn in_requests() -> Vec<Mistake> {
    let in_put = |place, value, told| Mistake { exchange: put(with(request(), place, value)), told };
    let in_patch = |request, told| Mistake { exchange: patch(request), told };
    let version = format!("?api-version={COMPUTE}");
    let body = call("POST", &format!("/start{version}"), json!({ "a": 1 }), 202, Value::Null);
    vec![
        in_put("/color", json!("red"), "virtual_machines_create_or_update: request: unknown field 'color'"),
        in_put(
            "/properties/osProfile/password",
            json!(SECRET),
            "request.properties.osProfile: unknown field 'password'",
        ),
        in_put(
            "/properties/osProfile/customData",
            json!([SECRET]),
            "osProfile.customData: is of type array, not string",
        ),
        in_put(
            "/properties/storageProfile/dataDisks/0/lun",
            json!("0"),
            "dataDisks[].lun: is of type string",
        ),
        in_put(
            "/properties/storageProfile/dataDisks/0/lun",
            Value::Null,
            "request.properties.storageProfile.dataDisks[]: lacks lun",
        ),
        in_put("/properties/storageProfile/osDisk/createOption", Value::Null, "osDisk: lacks createOption"),
        in_put("/properties/storageProfile/osDisk/caching", json!("Much"), "'Much' is none of its values"),
        in_put(
            "/properties/priority",
            json!("spot"),
            "request.properties.priority: 'spot' is none of its values",
        ),
        in_put("/location", Value::Null, "request: lacks location"),
        in_put("/tags/pool", json!(1), "request.tags.*: is of type integer, not string"),
        in_put("/zones", json!("1"), "request.zones: is of type string, not array"),
        in_put("/properties/vmId", json!("x"), "request.properties.vmId: is for responses only"),
        in_put(
            "/properties/instanceView",
            json!({}),
            "request.properties.instanceView: is for responses only",
        ),
        in_put("/etag", json!("1"), "request.etag: is for responses only"),
        in_patch(json!({ "tags": ["a"] }), "virtual_machines_update: request.tags: is of type array"),
        in_patch(
            json!({ "location": "westeurope" }),
            "virtual_machines_update: request: unknown field 'location'",
        ),
        in_patch(Value::Null, "virtual_machines_update: request: lacks its body"),
        Mistake {
            exchange: put(Value::Null),
            told: "virtual_machines_create_or_update: request: lacks its body",
        },
        Mistake {
            exchange: body,
            told: "virtual_machines_start: request: has a body, and the operation takes none",
        },
        // One that nothing has answered.
        Mistake {
            exchange: call("PUT", &version, with(request(), "/kind", json!("vm")), 0, Value::Null),
            told: "request: unknown field 'kind'",
        },
    ]
}

fn in_responses() -> Vec<Mistake> {
    let in_get = |place, value, told| Mistake { exchange: get("", with(machine(), place, value)), told };
    let in_list = |place, value, told| Mistake { exchange: list("", &with(machine(), place, value)), told };
    let in_interface =
        |place, value, told| Mistake { exchange: get_interface(with(interface(), place, value)), told };
    let in_disk = |place, value, told| Mistake { exchange: list_disks(&with(disk(), place, value)), told };
    let version = format!("?api-version={COMPUTE}");
    let view_of = |view| call("GET", &format!("/instanceView{version}"), Value::Null, 200, view);
    vec![
        in_get("/color", json!("red"), "virtual_machines_get: response: unknown field 'color'"),
        in_get("/properties/color", json!("red"), "response.properties: unknown field 'color'"),
        in_get("/properties/vmId", json!(5), "response.properties.vmId: is of type integer, not string"),
        in_get("/properties/timeCreated", json!("today"), "timeCreated: is not of the format date-time"),
        in_get("/properties/storageProfile/osDisk/osType", json!("linux"), "'linux' is none of its values"),
        in_get(
            "/properties/osProfile/customData",
            json!(SECRET),
            "osProfile.customData: is for requests only",
        ),
        in_get("/properties/osProfile/adminPassword", json!(SECRET), "adminPassword: is for requests only"),
        in_get("/properties/instanceView", view(), "response.properties.instanceView: was not asked for"),
        in_get("/properties/userData", json!("YQ=="), "response.properties.userData: was not asked for"),
        in_get("/properties/provisioningState", Value::Null, "response.properties: lacks provisioningState"),
        in_get("/location", Value::Null, "virtual_machines_get: response: lacks location"),
        in_get("/type", json!("Microsoft.Compute/vms"), "type: is not Microsoft.Compute/virtualMachines"),
        in_get(
            "/id",
            json!(id("Compute/virtualMachines/b/virtualMachines/a")),
            "response.id: is not the path",
        ),
        in_get("/id", json!("a"), "virtual_machines_get: response.id: is no id"),
        in_get("/name", json!("b"), "virtual_machines_get: response.name: is not the end of the id"),
        in_list("/color", json!("red"), "virtual_machines_list: response.value[]: unknown field 'color'"),
        in_list(
            "/properties/instanceView",
            view(),
            "response.value[].properties.instanceView: was not asked for",
        ),
        in_interface("/kind", json!("Regular"), "network_interfaces_get: response: unknown field 'kind'"),
        in_interface(
            "/properties/primary",
            json!("true"),
            "properties.primary: is of type string, not boolean",
        ),
        in_interface(
            "/properties/ipConfigurations/0/properties/privateIPAllocationMethod",
            json!("Random"),
            "ipConfigurations[].properties.privateIPAllocationMethod: 'Random' is none of its values",
        ),
        in_disk(
            "/properties/diskState",
            json!("Broken"),
            "disks_list_by_resource_group: response.value[].properties.diskState: 'Broken' is none of its values",
        ),
        in_disk("/properties/creationData/createOption", Value::Null, "creationData: lacks createOption"),
        in_disk("/properties/diskSizeGB", json!("16"), "diskSizeGB: is of type string, not integer"),
        Mistake {
            exchange: view_of(with(view(), "/statuses/0/level", json!("Note"))),
            told: "virtual_machines_instance_view: response.statuses[].level: 'Note' is none of its values",
        },
        Mistake { exchange: get("", Value::Null), told: "virtual_machines_get: response: lacks its body" },
        Mistake {
            exchange: call("DELETE", &version, Value::Null, 202, json!({ "status": "InProgress" })),
            told: "virtual_machines_delete: response: has a body, and the operation answers with none",
        },
        Mistake {
            exchange: call("PUT", &version, request(), 202, machine()),
            told: "virtual_machines_create_or_update: response: its status is 202, not one of [200, 201]",
        },
    ]
}

fn in_paths_and_queries() -> Vec<Mistake> {
    let at =
        |path: &str, told| Mistake { exchange: Exchange { path: path.into(), ..fails(404, error()) }, told };
    let queried =
        |query: &str, told| Mistake { exchange: call("GET", query, Value::Null, 200, machine()), told };
    vec![
        at(
            "/subscriptions/s/providers/Microsoft.Compute/machines?api-version=2024-07-01",
            "Microsoft.Compute/machines: unknown path",
        ),
        at("/nothing", "GET /nothing: unknown path"),
        Mistake {
            exchange: call("POST", "", Value::Null, 404, error()),
            told: "virtualMachines/a: unknown method",
        },
        queried("", "virtual_machines_get: lacks the query parameter api-version"),
        queried("?api-version=latest", "virtual_machines_get: parameter api-version: is no version"),
        queried("?api-version=2020-06-01", "api-version: 2020-06-01 is not the one that is described"),
        queried("?api-version=2024-07-01&pool=p1", "virtual_machines_get: unknown query parameter pool"),
        queried(
            "?api-version=2024-07-01&api-version=2024-07-01",
            "parameter api-version: is there more than once",
        ),
    ]
}

fn in_errors_and_states() -> Vec<Mistake> {
    let in_error = |place, value, told| Mistake { exchange: fails(404, with(error(), place, value)), told };
    let in_state = |state, told| Mistake { exchange: operation(state), told };
    let inner = json!({ "code": "A", "message": "b" });
    vec![
        in_error("/error", json!("Not found"), "response.error: is of type string, not object"),
        in_error("/error/code", Value::Null, "response.error: lacks code"),
        in_error("/error/code", json!(404), "response.error.code: is of type integer, not string"),
        in_error("/error/code", json!("Not found"), "response.error.code: is not of the pattern"),
        in_error("/error/status", json!(404), "response.error: unknown field 'status'"),
        in_error("/code", json!("A"), "virtual_machines_get: response: unknown field 'code'"),
        in_error("/error/details", json!([{ "code": "A" }]), "response.error.details[]: lacks message"),
        Mistake { exchange: fails(404, Value::Null), told: "response: is of type null, not object" },
        Mistake { exchange: fails(302, Value::Null), told: "response: its status is 302" },
        in_state(
            with(state("Succeeded"), "/status", json!("Done")),
            "operation_get: response.status: 'Done'",
        ),
        in_state(with(state("Succeeded"), "/status", Value::Null), "operation_get: response: lacks status"),
        in_state(
            with(state("InProgress"), "/startTime", Value::Null),
            "operation_get: response: lacks startTime",
        ),
        in_state(with(state("Succeeded"), "/endTime", Value::Null), "response.endTime: is there or not"),
        in_state(with(state("Succeeded"), "/error", inner), "response.error: is there or not"),
        in_state(state("Failed"), "response.error: is there or not, and the status is Failed"),
        in_state(
            with(state("InProgress"), "/id2", json!("x")),
            "operation_get: response: unknown field 'id2'",
        ),
        Mistake {
            exchange: sign_in(401, with(error(), "/error_description", json!("No."))),
            told: "sign_in: response.error: is of type object",
        },
        Mistake {
            exchange: sign_in(200, with(token(), "/expires_in", json!("3599"))),
            told: "sign_in: response.expires_in: is of type string, not integer",
        },
    ]
}

/// Each with one.
pub(crate) fn mistakes() -> Vec<Mistake> {
    [in_requests(), in_responses(), in_paths_and_queries(), in_errors_and_states()]
        .into_iter()
        .flatten()
        .collect()
}
