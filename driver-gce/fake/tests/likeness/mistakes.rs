//! Exchanges made by hand.

use gce_fake::Exchange;
use serde_json::{Value, json};

/// What would be a secret.
pub(crate) const SECRET: &str = "hunter2";
const INSTANCES: &str = "/compute/v1/projects/p1/zones/europe-west1-b/instances";

/// An exchange with one mistake, and how the mistake is told.
pub(crate) struct Mistake {
    pub(crate) exchange: Exchange,
    pub(crate) told: &'static str,
}

fn exchange(method: &str, path: &str, request: Value, status: u16, response: Value) -> Exchange {
    let body = |value: Value| (!value.is_null()).then_some(value);
    let path = format!("{INSTANCES}{path}");
    Exchange { method: method.into(), path, request: body(request), status, response: body(response) }
}

fn instance() -> Value {
    json!({
        "kind": "compute#instance",
        "id": "1234567890123456789",
        "name": "a",
        "status": "RUNNING",
        "creationTimestamp": "2026-10-01T12:34:56.789-07:00",
        "labelFingerprint": "42WmSpB8rSM=",
        "labels": { "pool": "p1" },
        "disks": [{ "kind": "compute#attachedDisk", "boot": true, "diskSizeGb": "10" }],
    })
}

fn operation() -> Value {
    json!({ "kind": "compute#operation", "id": "1", "name": "operation-1", "status": "DONE", "progress": 100 })
}

/// Of an insert.
fn request() -> Value {
    json!({
        "name": "a",
        "machineType": "zones/europe-west1-b/machineTypes/e2-small",
        "disks": [{ "boot": true, "initializeParams": { "diskSizeGb": "10" } }],
        "metadata": { "items": [{ "key": "script", "value": SECRET }] },
        "scheduling": { "provisioningModel": "SPOT" },
    })
}

fn error() -> Value {
    let inner = json!({ "message": "Not found", "domain": "global", "reason": "notFound" });
    json!({ "error": { "code": 404, "message": "Not found", "errors": [inner] } })
}

/// The same with another value at this place, which may be new.
fn with(mut whole: Value, place: &str, value: Value) -> Value {
    let (parent, name) = place.rsplit_once('/').expect("a pointer");
    match whole.pointer_mut(parent).expect("a place that is there") {
        Value::Array(elements) => elements[name.parse::<usize>().expect("an index")] = value,
        parent => parent[name] = value,
    }
    whole
}

fn get(response: Value) -> Exchange {
    exchange("GET", "/a", Value::Null, 200, response)
}

fn insert(request: Value) -> Exchange {
    exchange("POST", "", request, 200, operation())
}

fn query(text: &str) -> Exchange {
    let list = json!({ "kind": "compute#instanceList", "items": [instance()] });
    exchange("GET", text, Value::Null, 200, list)
}

fn fails(response: Value) -> Exchange {
    exchange("GET", "/b", Value::Null, 404, response)
}

/// Exchanges without a mistake.
pub(crate) fn good() -> Vec<Exchange> {
    let status = with(error(), "/error/status", json!("NOT_FOUND"));
    let details = json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "notFound" }]);
    let labels = json!({ "labels": { "a": "b" }, "labelFingerprint": "42WmSpB8rSM=" });
    vec![
        get(instance()),
        insert(request()),
        fails(error()),
        fails(with(status, "/error/details", details)),
        query("?maxResults=500&filter=labels.pool%3Dp1&$alt=json&$apiVersion=2026-09-01&prettyPrint=false"),
        exchange("GET", "/a?fields=name", Value::Null, 200, json!({ "name": "a" })),
        exchange("POST", "/a/setLabels?requestId=1", labels, 200, operation()),
        exchange("POST", "/a/setDiskAutoDelete?autoDelete=true&deviceName=d", Value::Null, 200, operation()),
        exchange("DELETE", "/1234567890123456789", Value::Null, 200, operation()),
        exchange("POST", "", request(), 0, Value::Null),
    ]
}

/// Each with one.
pub(crate) fn mistakes() -> Vec<Mistake> {
    let in_get = |place, value, told| Mistake { exchange: get(with(instance(), place, value)), told };
    let in_insert = |place, value, told| Mistake { exchange: insert(with(request(), place, value)), told };
    let in_query = |text, told| Mistake { exchange: query(text), told };
    let in_error = |place, value, told| Mistake { exchange: fails(with(error(), place, value)), told };
    let call = |method, path, request, told| Mistake {
        exchange: exchange(method, path, request, 200, operation()),
        told,
    };
    let elsewhere = Exchange { path: "/compute/v1/nothing".into(), ..fails(error()) };
    let beside = Exchange { path: "/v1/projects".into(), ..fails(error()) };
    // 2^64.
    let target = with(operation(), "/targetId", json!("18446744073709551616"));
    let too_large = exchange("DELETE", "/a", Value::Null, 200, target);
    let unanswered = exchange("POST", "/a/stop?force=true", Value::Null, 0, Value::Null);
    let without_name = json!({ "machineType": "zones/europe-west1-b/machineTypes/e2-small" });
    vec![
        // The response.
        in_get("/color", json!("red"), "instances.get: response: unknown field 'color'"),
        in_get("/disks/0/color", json!("red"), "instances.get: response.disks[]: unknown field 'color'"),
        in_get("/name", json!(7), "instances.get: response.name: is of type integer, not string"),
        in_get("/labels", json!(["pool"]), "instances.get: response.labels: is of type array, not object"),
        in_get("/labels/pool", json!(null), "instances.get: response.labels.*: is of type null, not string"),
        in_get(
            "/status",
            json!("SLEEPING"),
            "instances.get: response.status: 'SLEEPING' is none of its values",
        ),
        in_get("/id", json!("a"), "instances.get: response.id: is not of the format uint64"),
        in_get("/id", json!(5), "instances.get: response.id: is of type integer, not string"),
        in_get(
            "/disks/0/diskSizeGb",
            json!("1.5"),
            "response.disks[].diskSizeGb: is not of the format int64",
        ),
        in_get("/disks/0/index", json!(1u64 << 31), "response.disks[].index: 2147483648 is out of its range"),
        in_get("/disks/0/initializeParams", json!({}), "initializeParams: is for requests only"),
        in_get("/labelFingerprint", json!("?"), "response.labelFingerprint: is not of the format byte"),
        in_get("/creationTimestamp", json!("today"), "creationTimestamp: is not of the format date-time"),
        in_get("/kind", json!("compute#disk"), "response.kind: is not 'compute#instance'"),
        Mistake {
            exchange: too_large,
            told: "instances.delete: response.targetId: is not of the format uint64",
        },
        Mistake { exchange: get(json!({ "name": "a" })), told: "instances.get: response: lacks kind" },
        Mistake { exchange: get(Value::Null), told: "instances.get: response: lacks its body" },
        // The request.
        in_insert("/color", json!("red"), "instances.insert: request: unknown field 'color'"),
        in_insert("/metadata/items/0/keys", json!(SECRET), "request.metadata.items[]: unknown field 'keys'"),
        in_insert("/metadata/items/0/value", json!([SECRET]), "metadata.items[].value: is of type array"),
        in_insert(
            "/metadata/items/0/key",
            json!("hunter2 is secret"),
            "metadata.items[].key: is not of the pattern",
        ),
        in_insert("/scheduling/provisioningModel", json!("CHEAP"), "'CHEAP' is none of its values"),
        in_insert("/status", json!("RUNNING"), "instances.insert: request.status: is for responses only"),
        Mistake { exchange: insert(without_name), told: "instances.insert: request: lacks name" },
        Mistake { exchange: insert(Value::Null), told: "instances.insert: request: lacks its body" },
        call(
            "DELETE",
            "/a",
            json!({ "a": 1 }),
            "instances.delete: request: has a body, and the method takes none",
        ),
        // The path and the query.
        in_query("?pool=p1", "instances.list: unknown query parameter pool"),
        in_query("?$pool=p1", "instances.list: unknown query parameter $pool"),
        in_query("?maxResults=many", "parameter maxResults: is of type string, not integer"),
        in_query("?maxResults=501", "parameter maxResults: 501 is out of its range: maximum 500"),
        in_query("?maxResults=-1", "parameter maxResults: -1 is out of its range: minimum 0"),
        in_query("?$alt=yaml", "parameter $alt: 'yaml' is none of its values"),
        in_query("?filter=a&filter=b", "parameter filter: is there more than once"),
        call(
            "POST",
            "/a/setDiskAutoDelete?autoDelete=true",
            Value::Null,
            "lacks the query parameter deviceName",
        ),
        call(
            "POST",
            "/a/setDiskAutoDelete?autoDelete=yes&deviceName=d",
            Value::Null,
            "autoDelete: is of type string",
        ),
        call("DELETE", "/A", Value::Null, "instances.delete: parameter instance: is not of the pattern"),
        Mistake { exchange: elsewhere, told: "GET /compute/v1/nothing: unknown path" },
        Mistake { exchange: beside, told: "GET /v1/projects: unknown path" },
        call(
            "PUT",
            "",
            Value::Null,
            "PUT /compute/v1/projects/p1/zones/europe-west1-b/instances: unknown method",
        ),
        // A request that nothing has answered.
        Mistake { exchange: unanswered, told: "instances.stop: unknown query parameter force" },
        // The error.
        in_error("/error", json!("Not found"), "response.error: is of type string, not object"),
        in_error("/error/errors", json!([]), "response.error.errors: is empty"),
        in_error(
            "/error/errors/0",
            json!({ "message": "", "domain": "" }),
            "response.error.errors[]: lacks reason",
        ),
        in_error("/error/code", json!(403), "response.error.code: is not the status 404"),
        in_error("/error/reason", json!("notFound"), "response.error: unknown field 'reason'"),
        in_error("/code", json!(404), "instances.get: response: unknown field 'code'"),
        Mistake {
            exchange: fails(Value::Null),
            told: "instances.get: response: is of type null, not object",
        },
        Mistake {
            exchange: Exchange { status: 302, ..get(instance()) },
            told: "response: its status is 302",
        },
    ]
}
