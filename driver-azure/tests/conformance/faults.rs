//! The faults of the suite as Azure shows them on the wire.
//!
//! The shape of errors:
//! <https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors>.

use pool_api::{FailureScope, PlacementReach, Reach};
use pool_conformance::{Action, Answer, Call, Failure, Fault, Refusal, Request, Rule};
use serde_json::{Value, json};
use std::sync::Arc;

/// What Azure says in most of its refusals.
const MESSAGE: &str = "This is the message of the service, <word> for \"word\".";
/// The operation that a create leads to which fails.
const OPERATION: &str = "operation-of-a-fault";

/// True for a request of this call.
pub(crate) fn is_of(call: Call, request: &Request) -> bool {
    let path = request.path.split('?').next().unwrap_or_default();
    let of_a_machine = path.contains("/resourceGroups/") && path.contains("/virtualMachines/");
    match call {
        Call::Create => request.method == "PUT" && of_a_machine,
        Call::List => request.method == "GET" && is_list(path),
        Call::SetTags => request.method == "PATCH" && of_a_machine,
        Call::Destroy => request.method == "DELETE" && of_a_machine,
    }
}

/// The list of the group's machines: one call of the driver's asks for other lists as well.
fn is_list(path: &str) -> bool {
    path.contains("/resourceGroups/") && path.ends_with("/virtualMachines")
}

fn is_page(request: &Request, first: bool) -> bool {
    is_of(Call::List, request) && first != request.path.to_ascii_lowercase().contains("skiptoken")
}

/// How a refusal for lack of something comes.
struct Refused {
    code: &'static str,
    message: &'static str,
    /// None: the call is accepted, and its operation fails.
    status: Option<u16>,
}

/// A part of the message that the driver's error must keep.
pub(crate) fn message(fault: &Fault) -> &'static str {
    let refused = match fault.failure {
        Failure::Quota(scope) => quota(scope),
        Failure::Capacity(scope) => capacity(scope),
        _ => return MESSAGE,
    };
    refused.map_or(MESSAGE, |refused| refused.message)
}

/// The rules of the proxy that make a fault happen; none where the stand-in does.
pub(crate) fn rules(fault: &Fault) -> Result<Vec<Rule>, Refusal> {
    let call = fault.call;
    let action = match fault.failure {
        Failure::Quota(scope) => return Ok(refusal(&quota(scope)?, fault.times)),
        Failure::Capacity(scope) => return Ok(refusal(&capacity(scope)?, fault.times)),
        Failure::RateLimit { retry_after } => {
            let answer = error(429, "TooManyRequests", MESSAGE);
            Action::Answer(match retry_after {
                Some(after) => answer.header("retry-after", &after.as_secs().to_string()),
                None => answer,
            })
        }
        Failure::Auth => Action::Answer(error(401, "InvalidAuthenticationToken", MESSAGE)),
        Failure::InvalidRequest => Action::Answer(error(400, "InvalidParameter", MESSAGE)),
        Failure::NotFound if call == Call::Create => {
            Action::Answer(error(404, "PlatformImageNotFound", MESSAGE))
        }
        Failure::NotFound => Action::Answer(error(404, "ResourceNotFound", MESSAGE)),
        Failure::ServerError(503) => Action::Answer(error(503, "ServerTimeout", MESSAGE)),
        Failure::ServerError(status) => Action::Answer(error(status, "InternalServerError", MESSAGE)),
        Failure::LostRequest => Action::LoseRequest,
        Failure::LostResponse => Action::LoseAnswer,
        Failure::Repeat => Action::Repeat,
        Failure::CutBody if call == Call::Destroy => {
            return Err(Refusal::excluded(
                "Azure's answer to a delete has no body: there is nothing to be cut",
            ));
        }
        Failure::CutBody => Action::CutAnswer,
        Failure::GarbageBody => Action::GarbleAnswer("<html>Welcome to the hotel's network".into()),
        Failure::Reset => Action::Reset,
        Failure::Hang => Action::Hang,
        Failure::Delay(delay) => Action::Delay(delay),
        Failure::FailingPage(page) => {
            let answer = error(500, "InternalServerError", MESSAGE);
            let rule = Rule::new(move |request| is_page(request, page == 1), Action::Answer(answer));
            return Ok(vec![rule.skip(page.saturating_sub(2)).times(fault.times)]);
        }
        // Azure decides how many are on a page; the stand-in was told to put so few on each.
        Failure::SmallPages(size) if size == crate::cloud::PAGE => return Ok(Vec::new()),
        Failure::SmallPages(_) => return Err(Refusal::excluded("the stand-in's pages are of another size")),
    };
    Ok(vec![Rule::new(move |request| is_of(call, request), action).times(fault.times)])
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    json_answer(status, &json!({ "error": { "code": code, "message": message } }))
}

fn json_answer(status: u16, body: &Value) -> Answer {
    Answer::new(status, "application/json; charset=utf-8", body.to_string())
}

fn refusal(refused: &Refused, times: Option<usize>) -> Vec<Rule> {
    let is_create = |request: &Request| is_of(Call::Create, request);
    if let Some(status) = refused.status {
        let answer = error(status, refused.code, refused.message);
        return vec![Rule::new(is_create, Action::Answer(answer)).times(times)];
    }
    let accepted = |request: &Request| {
        let host = request.header("host").unwrap_or_default();
        let operation = format!(
            "http://{host}/subscriptions/s/providers/Microsoft.Compute/locations/westeurope/operations/{OPERATION}?api-version=2024-07-01"
        );
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        json_answer(201, &body).header("azure-asyncoperation", &operation).header("retry-after", "0")
    };
    let failed = json_answer(
        200,
        &json!({
            "startTime": "2026-11-26T10:00:00.0000000+00:00",
            "endTime": "2026-11-26T10:00:09.0000000+00:00",
            "status": "Failed",
            "name": OPERATION,
            "error": { "code": refused.code, "message": refused.message },
        }),
    );
    vec![
        Rule::new(is_create, Action::AnswerBy(Arc::new(accepted))).times(times),
        Rule::new(|request| request.path.contains(OPERATION), Action::Answer(failed)),
    ]
}

/// <https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-resource-quota>
fn quota(scope: FailureScope) -> Result<Refused, Refusal> {
    let message = match (scope.reach, scope.placements) {
        (Reach::QuotaGroup, PlacementReach::Every) => {
            "Operation could not be completed as it results in exceeding approved standardDSv3Family Cores quota."
        }
        (Reach::All, PlacementReach::Every) => {
            "Operation could not be completed as it results in exceeding approved Virtual Machines quota."
        }
        _ => {
            return Err(Refusal::excluded(
                "Azure's quotas are of a location, for a family of sizes or everything: none is of one size or zone",
            ));
        }
    };
    Ok(Refused { code: "OperationNotAllowed", message, status: Some(409) })
}

/// <https://learn.microsoft.com/azure/virtual-machines/allocation-failure>
fn capacity(scope: FailureScope) -> Result<Refused, Refusal> {
    let refused = match (scope.reach, scope.placements) {
        (Reach::InstanceType, PlacementReach::This) => Refused {
            code: "ZonalAllocationFailed",
            message: "Allocation failed. We do not have sufficient capacity for the requested VM size in this zone.",
            status: None,
        },
        (Reach::InstanceType, PlacementReach::Every) => Refused {
            code: "AllocationFailed",
            message: "Allocation failed. We do not have sufficient capacity for the requested VM size in this region.",
            status: None,
        },
        _ => {
            return Err(Refusal::excluded(
                "Azure runs out of a size in a zone, or in a location: no code speaks of another scope",
            ));
        }
    };
    Ok(refused)
}
