//! The faults of the suite as EC2 shows them on the wire.
//!
//! Codes and their meanings: <https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html>.

use pool_api::{FailureScope, PlacementReach, Reach};
use pool_conformance::{Action, Answer, Call, Failure, Fault, Refusal, Request, Rule};

/// What EC2 says in each of its refusals.
pub(crate) const MESSAGE: &str = "This is the message of the service, <word> for \"word\".";

/// The API's name of a call.
pub(crate) fn api_name(call: Call) -> &'static str {
    match call {
        Call::Create => "RunInstances",
        Call::List => "DescribeInstances",
        Call::SetTags => "CreateTags",
        Call::Destroy => "TerminateInstances",
    }
}

/// True for a request of this call.
pub(crate) fn is_of(call: Call, request: &Request) -> bool {
    request.text().strip_prefix("Action=").and_then(|rest| rest.split('&').next()) == Some(api_name(call))
}

fn is_page(request: &Request, first: bool) -> bool {
    is_of(Call::List, request) && first != request.text().contains("&NextToken=")
}

/// The rule of the proxy that makes a fault happen; none where the configuration does.
pub(crate) fn rule(fault: &Fault) -> Result<Option<Rule>, Refusal> {
    let call = fault.call;
    let action = match fault.failure {
        Failure::Quota(scope) => Action::Answer(quota(scope)?),
        Failure::Capacity(scope) => Action::Answer(capacity(scope)?),
        Failure::RateLimit { retry_after } => {
            let answer = error(503, "RequestLimitExceeded");
            Action::Answer(match retry_after {
                Some(after) => answer.header("retry-after", &after.as_secs().to_string()),
                None => answer,
            })
        }
        Failure::Auth => Action::Answer(error(401, "AuthFailure")),
        Failure::InvalidRequest => Action::Answer(error(400, "InvalidParameterValue")),
        Failure::NotFound if call == Call::Create => Action::Answer(error(400, "InvalidAMIID.NotFound")),
        Failure::NotFound => Action::Answer(error(400, "InvalidInstanceID.NotFound")),
        Failure::ServerError(503) => Action::Answer(error(503, "Unavailable")),
        Failure::ServerError(status) => Action::Answer(error(status, "InternalError")),
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
                Action::Answer(error(500, "InternalError")),
            );
            return Ok(Some(rule.skip(page.saturating_sub(2)).times(fault.times)));
        }
        // The size of a page is asked for.
        Failure::SmallPages(_) => return Ok(None),
    };
    Ok(Some(Rule::new(move |request| is_of(call, request), action).times(fault.times)))
}

/// <https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html#api-error-response>
fn error(status: u16, code: &str) -> Answer {
    let message = MESSAGE.replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code>\
         <Message>{message}</Message></Error></Errors><RequestID>7a62c49f-347e-4fc4-9331-6e8e</RequestID></Response>"
    );
    Answer::new(status, "text/xml;charset=UTF-8", body)
}

fn quota(scope: FailureScope) -> Result<Answer, Refusal> {
    match (scope.reach, scope.placements) {
        (Reach::QuotaGroup, PlacementReach::Every) => Ok(error(400, "InstanceLimitExceeded")),
        (Reach::All, PlacementReach::Every) => Ok(error(500, "InsufficientAddressCapacity")),
        (Reach::All, PlacementReach::This) => Ok(error(400, "InsufficientFreeAddressesInSubnet")),
        _ => Err(Refusal::excluded(
            "EC2's quotas are of a group of types, or of everything: no code speaks of another scope",
        )),
    }
}

fn capacity(scope: FailureScope) -> Result<Answer, Refusal> {
    match (scope.reach, scope.placements) {
        (Reach::InstanceType, PlacementReach::This) => Ok(error(500, "InsufficientInstanceCapacity")),
        (Reach::QuotaGroup, PlacementReach::Every) => Ok(error(400, "VcpuLimitExceeded")),
        (Reach::All, PlacementReach::This) => Ok(error(400, "InvalidSubnetID.NotFound")),
        _ => Err(Refusal::excluded(
            "EC2 runs out of a type in a zone, of the vCPUs of a group, or of a subnet: no code speaks of another scope",
        )),
    }
}
