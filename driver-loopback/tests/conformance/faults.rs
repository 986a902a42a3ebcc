//! The faults of the suite in the words of the loopback's configuration.

use driver_loopback::{CapacityLimit, LoopbackConfig, OperationFaults};
use pool_api::{FailureScope, InstanceType, Placement, PlacementReach, Reach};
use pool_conformance::{Call, Failure, Fault, Refusal};

/// Calls are so rare that the second one comes too early, when there is no stated time.
const RARE: f64 = 0.001;
/// There is no wire between the driver and its cloud.
const NO_WIRE: &str = "the loopback's cloud is in the driver's own process: nothing is sent that could break";

/// Makes a fault happen. `instance_type` is what the trials create, in `placement`.
pub(crate) fn add(
    config: &mut LoopbackConfig,
    fault: &Fault,
    instance_type: &InstanceType,
    placement: &Placement,
) -> Result<(), Refusal> {
    let group = config.quota_groups.get(&instance_type.provider_type).cloned();
    let faults = &mut config.faults;
    let scope = |scope: FailureScope| CapacityLimit {
        provider_type: (scope.reach == Reach::InstanceType).then(|| instance_type.provider_type.clone()),
        quota_group: group.clone().filter(|_| scope.reach == Reach::QuotaGroup),
        placement: (scope.placements == PlacementReach::This).then(|| placement.clone()),
        instances: 0,
    };
    let operation = match fault.call {
        Call::Create => &mut faults.create,
        Call::List => &mut faults.list,
        Call::SetTags => &mut faults.set_tags,
        Call::Destroy => &mut faults.destroy,
    };
    operation.first_calls = fault.times;
    match fault.failure {
        Failure::Quota(FailureScope { reach: Reach::All, placements: PlacementReach::Every }) => {
            faults.quota.instances = Some(0);
        }
        Failure::Quota(FailureScope { reach: Reach::QuotaGroup, placements: PlacementReach::Every }) => {
            faults.quota.groups.extend(group.map(|group| (group, 0)));
        }
        Failure::Quota(_) => {
            return Err(Refusal::excluded(
                "the loopback's quotas are of all types or of a group, in every placement",
            ));
        }
        Failure::Capacity(wanted) => faults.capacity.push(scope(wanted)),
        Failure::RateLimit { retry_after } => {
            limit_rate(operation, retry_after.map(|after| after.as_secs_f64()));
        }
        Failure::ServerError(_) => operation.error_rate = 1.0,
        Failure::LostRequest => operation.lost_request_rate = 1.0,
        Failure::LostResponse => operation.lost_response_rate = 1.0,
        Failure::Delay(delay) => operation.delay = delay,
        Failure::Auth => return Err(Refusal::excluded("the loopback has no credentials")),
        Failure::InvalidRequest | Failure::NotFound => {
            return Err(Refusal::excluded(
                "the loopback's cloud says so only where it is so, which other trials try",
            ));
        }
        Failure::Repeat | Failure::CutBody | Failure::GarbageBody | Failure::Reset | Failure::Hang => {
            return Err(Refusal::excluded(NO_WIRE));
        }
        Failure::FailingPage(_) | Failure::SmallPages(_) => {
            return Err(Refusal::excluded("the loopback lists without pages"));
        }
    }
    Ok(())
}

fn limit_rate(operation: &mut OperationFaults, retry_after: Option<f64>) {
    operation.calls_per_second = Some(retry_after.map_or(RARE, f64::recip));
    operation.says_retry_after = retry_after.is_some();
    operation.starts_exhausted = true;
}

/// What the loopback says when it happens.
pub(crate) fn message(failure: Failure) -> &'static str {
    match failure {
        Failure::Quota(_) => "the quota of 0 instances",
        Failure::Capacity(_) => "there is no machine left",
        Failure::RateLimit { .. } => "too many calls of",
        _ => "",
    }
}
