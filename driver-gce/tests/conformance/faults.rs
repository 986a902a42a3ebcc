//! The faults of the suite as Compute Engine shows them on the wire.
//!
//! The shape of errors: <https://cloud.google.com/compute/docs/reference/rest/v1/errors>.

use pool_api::{FailureScope, PlacementReach, Reach};
use pool_conformance::{Action, Answer, Call, Failure, Fault, Refusal, Request, Rule};
use serde_json::{Value, json};

/// What Compute Engine says in most of its refusals.
const MESSAGE: &str = "This is the message of the service, <word> for \"word\".";
/// The operation that a refused create leads to.
const OPERATION: &str = "operation-of-a-fault";

/// True for a request of this call.
pub(crate) fn is_of(call: Call, request: &Request) -> bool {
    let path = request.path.split('?').next().unwrap_or_default();
    match call {
        Call::Create => request.method == "POST" && path.ends_with("/instances"),
        Call::List => path.ends_with("/aggregated/instances"),
        Call::SetTags => path.ends_with("/setMetadata"),
        Call::Destroy => request.method == "DELETE",
    }
}

fn is_page(request: &Request, first: bool) -> bool {
    is_of(Call::List, request) && first != request.path.contains("pageToken=")
}

/// How a refusal for lack of something comes.
struct Refused {
    code: &'static str,
    message: &'static str,
    /// Whether it needs zones of two regions to be about one placement alone.
    two_regions: bool,
}

/// What a fault needs.
pub(crate) struct Script {
    /// The rules of the proxy that make it happen.
    pub(crate) rules: Vec<Rule>,
    /// Whether the zones must be in two regions.
    pub(crate) two_regions: bool,
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

/// How to make a fault happen; no rules where the configuration does.
pub(crate) fn script(fault: &Fault) -> Result<Script, Refusal> {
    let call = fault.call;
    let action = match fault.failure {
        Failure::Quota(scope) => return Ok(in_operation(&quota(scope)?, fault.times)),
        Failure::Capacity(scope) => return Ok(in_operation(&capacity(scope)?, fault.times)),
        Failure::RateLimit { retry_after } => {
            let answer = error(403, "rateLimitExceeded");
            Action::Answer(match retry_after {
                Some(after) => answer.header("retry-after", &after.as_secs().to_string()),
                None => answer,
            })
        }
        Failure::Auth => Action::Answer(error(401, "authError")),
        Failure::InvalidRequest => Action::Answer(error(400, "invalid")),
        Failure::NotFound => Action::Answer(error(404, "notFound")),
        Failure::ServerError(500) => Action::Answer(error(500, "internalError")),
        Failure::ServerError(status) => Action::Answer(error(status, "backendError")),
        Failure::LostRequest => Action::LoseRequest,
        Failure::LostResponse => Action::LoseAnswer,
        Failure::Repeat => Action::Repeat,
        Failure::CutBody => Action::CutAnswer,
        Failure::GarbageBody => Action::GarbleAnswer("<html>Welcome to the hotel's network".into()),
        Failure::Reset => Action::Reset,
        Failure::Hang => Action::Hang,
        Failure::Delay(delay) => Action::Delay(delay),
        Failure::FailingPage(page) => {
            let rule = Rule::new(
                move |request| is_page(request, page == 1),
                Action::Answer(error(503, "backendError")),
            );
            return Ok(one(rule.skip(page.saturating_sub(2)).times(fault.times)));
        }
        // The size of a page is asked for.
        Failure::SmallPages(_) => return Ok(Script { rules: Vec::new(), two_regions: false }),
    };
    Ok(one(Rule::new(move |request| is_of(call, request), action).times(fault.times)))
}

fn one(rule: Rule) -> Script {
    Script { rules: vec![rule], two_regions: false }
}

fn error(status: u16, reason: &str) -> Answer {
    let body = json!({ "error": {
        "code": status,
        "message": MESSAGE,
        "errors": [{ "message": MESSAGE, "domain": "global", "reason": reason }],
    } });
    Answer::new(status, "application/json; charset=UTF-8", body.to_string())
}

/// The call is accepted, and its operation fails.
fn in_operation(refused: &Refused, times: Option<usize>) -> Script {
    let accepted = operation(&json!({ "status": "RUNNING", "progress": 0 }));
    let failed = operation(&json!({
        "status": "DONE",
        "progress": 100,
        "httpErrorStatusCode": 503,
        "httpErrorMessage": "SERVICE UNAVAILABLE",
        "error": { "errors": [{ "code": refused.code, "message": refused.message }] },
    }));
    let is_wait = |request: &Request| request.path.contains(OPERATION);
    Script {
        rules: vec![
            Rule::new(|request| is_of(Call::Create, request), Action::Answer(accepted)).times(times),
            Rule::new(is_wait, Action::Answer(failed)),
        ],
        two_regions: refused.two_regions,
    }
}

fn operation(fields: &Value) -> Answer {
    let mut body =
        json!({ "kind": "compute#operation", "id": "7", "name": OPERATION, "operationType": "insert" });
    for (name, value) in fields.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    Answer::new(200, "application/json; charset=UTF-8", body.to_string())
}

/// <https://cloud.google.com/compute/resource-usage>
fn quota(scope: FailureScope) -> Result<Refused, Refusal> {
    let message = match (scope.reach, scope.placements) {
        (Reach::QuotaGroup, _) => "Quota 'N2_CPUS' exceeded. Limit: 24.0 in region europe-west1.",
        (Reach::All, PlacementReach::This) => {
            "Quota 'INSTANCES' exceeded. Limit: 24.0 in region europe-west1."
        }
        (Reach::All, PlacementReach::Every) => "Quota 'CPUS_ALL_REGIONS' exceeded. Limit: 32.0 globally.",
        (Reach::InstanceType, _) => {
            return Err(Refusal::excluded(
                "Compute Engine's quotas are of a family of machine types, or of everything: none is of one type",
            ));
        }
    };
    Ok(Refused { code: "QUOTA_EXCEEDED", message, two_regions: scope.placements == PlacementReach::This })
}

/// <https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability>
fn capacity(scope: FailureScope) -> Result<Refused, Refusal> {
    let (code, message) = match (scope.reach, scope.placements) {
        (Reach::InstanceType, PlacementReach::This) => (
            "ZONE_RESOURCE_POOL_EXHAUSTED",
            "The zone 'projects/p/zones/europe-west1-b' does not have enough resources available to fulfill the request.",
        ),
        (Reach::All, PlacementReach::This) => {
            ("SERVICE_UNAVAILABLE_FOR_LOCATION", "Service in location europe-west1-b cannot accept requests.")
        }
        _ => {
            return Err(Refusal::excluded(
                "Compute Engine runs out of a machine type in a zone, or a zone is down: no code speaks of another scope",
            ));
        }
    };
    Ok(Refused { code, message, two_regions: false })
}
