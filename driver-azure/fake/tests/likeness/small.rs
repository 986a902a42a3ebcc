//! Exchanges with mistakes by the small description in the folder `specs`: it is narrower than what the provider publishes,
//! so that nothing else finds them.

use crate::{
    exchanges::{COMPUTE, call, get, id, with},
    mistakes::Mistake,
};
use azure_fake::Exchange;
use serde_json::{Value, json};

/// Each with one.
pub(crate) fn mistakes() -> Vec<Mistake> {
    let in_put =
        |place, value, told| Mistake { exchange: small_put(with(small_request(), place, value)), told };
    let in_get =
        |place, value, told| Mistake { exchange: get("", with(small_machine(), place, value)), told };
    vec![
        // The types of Bicep.
        in_put(
            "/properties/priority",
            json!("Low"),
            "request.properties.priority: 'Low' is none of its values",
        ),
        in_put("/properties/userData", json!("YQ=="), "request.properties.userData: is for responses only"),
        in_put("/properties/hardwareProfile", Value::Null, "request.properties: lacks hardwareProfile"),
        in_get(
            "/properties/licenseType",
            json!("x"),
            "response.properties.licenseType: is for requests only",
        ),
        in_get(
            "/properties/platformFaultDomain",
            json!(1),
            "platformFaultDomain: is of type integer, not string",
        ),
        in_get("/tags", json!({ "a": "b" }), "response.tags.*: is of type string, not boolean"),
        in_get("/zones", json!(["1"]), "response.zones[]: is of type string, not number"),
        in_get("/managedBy", json!("a"), "response: unknown field 'managedBy'"),
        // The schemas of templates.
        in_put(
            "/properties/securityProfile",
            json!({}),
            "request.properties: unknown field 'securityProfile'",
        ),
        in_put("/properties/evictionPolicy", json!("Deallocate"), "'Deallocate' is none of its values"),
        in_put(
            "/properties/billingProfile",
            json!({ "maxPrice": 0.5 }),
            "maxPrice: is of type number, not integer",
        ),
    ]
}

/// Exchanges without a mistake.
pub(crate) fn good() -> Vec<Exchange> {
    let deleted = with(small_request(), "/properties/evictionPolicy", json!("Delete"));
    vec![small_put(small_request()), small_put(deleted), get("", small_machine())]
}

fn small_put(request: Value) -> Exchange {
    call("PUT", &format!("?api-version={COMPUTE}"), request, 201, small_machine())
}

fn small_request() -> Value {
    let size = json!({ "vmSize": "Standard_D2s_v5" });
    json!({ "location": "westeurope", "properties": { "hardwareProfile": size, "priority": "Spot" } })
}

fn small_machine() -> Value {
    let properties = json!({ "hardwareProfile": {}, "provisioningState": "Succeeded" });
    let (kind, id) = ("Microsoft.Compute/virtualMachines", id("Compute/virtualMachines/a"));
    json!({ "id": id, "name": "a", "type": kind, "location": "westeurope", "properties": properties })
}
