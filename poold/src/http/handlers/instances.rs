//! Instances.

use crate::{
    api::{ErrorCode, InstanceAction, InstanceRow, KillRequest, routes},
    http::{
        answer::Refusal,
        ask::{self, Address},
        audit::Noted,
        reason,
        router::{Answer, Shared},
    },
};
use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use pool_core::InstanceId;
use utoipa::IntoParams;

/// Lists instances, and those that are being created
#[utoipa::path(get, path = routes::INSTANCES, tag = "instances", responses((status = 200, body = [InstanceRow])))]
pub(in crate::http) async fn list_instances(State(service): Shared) -> Answer<Vec<InstanceRow>> {
    Ok(Json(service.instances().await?))
}

/// Holds, drains, runs again or destroys an instance
///
/// `hold`: it gets no more jobs and is not destroyed. `drain`: it gets no more jobs and is destroyed when it has none. `run`: it
/// gets jobs again. `kill`: it is destroyed at once. The first three are answered when the cloud has saved it.
#[utoipa::path(post, path = routes::INSTANCE_ACTION, tag = "instances", params(InstanceParam),
    request_body = Option<KillRequest>, responses((status = 200, body = InstanceRow)))]
pub(in crate::http) async fn act_on_instance(
    State(service): Shared,
    Extension(noted): Extension<Noted>,
    Address((instance, action)): Address<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer<InstanceRow> {
    let id = InstanceId::new(&instance)
        .map_err(|error| Refusal::invalid(format!("the instance in the address: {error}")))?;
    let request: KillRequest = ask::optional_json(&headers, body).await?;
    let given = reason::given(&request)?;
    if let Some(reason) = given {
        noted.why(reason);
    }
    let action = match action.as_str() {
        "hold" => InstanceAction::Hold,
        "drain" => InstanceAction::Drain,
        "run" => InstanceAction::Run,
        "kill" => InstanceAction::Kill { reason: reason::to_kill(request)? },
        _ => {
            let message = format!("the action in the address: {action:?}: hold, drain, run or kill");
            return Err(Refusal::with_status(StatusCode::NOT_FOUND, ErrorCode::NotFound, message));
        }
    };
    Ok(Json(service.act_on_instance(id, action).await?))
}

/// What is done to which instance.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes")]
struct InstanceParam {
    /// Its id.
    #[param(pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,255}$")]
    instance: String,
    #[param(inline)]
    action: ActionName,
}

#[derive(utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "it only describes")]
enum ActionName {
    Hold,
    Drain,
    Run,
    Kill,
}
