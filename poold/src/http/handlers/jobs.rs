//! Jobs.

use crate::{
    api::{
        Explanation, JobDetail, JobPage, JobQuery, JobRow, KillRequest, PriorityRequest, Submission,
        Submitted, routes,
    },
    http::{
        answer::Refusal,
        ask::{self, Address, Asked},
        audit::Noted,
        output::{self, OutputQuery},
        reason,
        router::{Answer, Shared},
    },
};
use axum::{Extension, Json, body::Body, extract::State, http::HeaderMap, response::Response};
use serde::Deserialize;
use std::time::Duration;
use utoipa::IntoParams;

/// Longest that one question for a job's end is kept open. Clients ask again.
const MAX_WAIT: Duration = Duration::from_secs(50);
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// Lists jobs, the newest first
#[utoipa::path(get, path = routes::JOBS, tag = "jobs", params(JobQuery), responses((status = 200, body = JobPage)))]
pub(in crate::http) async fn list_jobs(
    State(service): Shared,
    Asked(query): Asked<JobQuery>,
) -> Answer<JobPage> {
    Ok(Json(service.jobs(query).await?))
}

/// Queues jobs, all or none
///
/// They are not lost from the moment of the answer on. With a `request_id` it can be asked again without a second submission.
#[utoipa::path(post, path = routes::JOBS, tag = "jobs", request_body = Submission, responses(
    (status = 200, body = Submitted)
))]
pub(in crate::http) async fn submit(
    State(service): Shared,
    Extension(noted): Extension<Noted>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Submitted> {
    let submission: Submission = ask::json(&headers, body).await?;
    let submitted = service.submit(submission).await?;
    if let (Some(first), Some(last)) = (submitted.ids.first(), submitted.ids.last()) {
        noted.what(match submitted.ids.len() {
            1 => format!("job {first}"),
            count => format!("{count} jobs, {first} to {last}"),
        });
    }
    Ok(Json(submitted))
}

/// One job, with its history
#[utoipa::path(get, path = routes::JOB, tag = "jobs", params(JobParam), responses((status = 200, body = JobDetail)))]
pub(in crate::http) async fn get_job(
    State(service): Shared,
    Address(job): Address<String>,
) -> Answer<JobDetail> {
    Ok(Json(service.job(ask::job_key(&job)?).await?))
}

/// Why a job waits, or what else becomes of it
#[utoipa::path(get, path = routes::EXPLAIN, tag = "jobs", params(JobParam), responses(
    (status = 200, body = Explanation)
))]
pub(in crate::http) async fn explain_job(
    State(service): Shared,
    Address(job): Address<String>,
) -> Answer<Explanation> {
    Ok(Json(service.explain(ask::job_key(&job)?).await?))
}

/// How long to wait.
#[derive(Deserialize, Debug, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct WaitQuery {
    /// At most so many seconds. Default 30, at most 50: ask again.
    #[param(minimum = 0.0)]
    seconds: Option<f64>,
}

/// A job when it is final, or as it is after some time
#[utoipa::path(get, path = routes::WAIT, tag = "jobs", params(JobParam, WaitQuery), responses(
    (status = 200, body = JobRow)
))]
pub(in crate::http) async fn wait_for_job(
    State(service): Shared,
    Address(job): Address<String>,
    Asked(query): Asked<WaitQuery>,
) -> Answer<JobRow> {
    let patience = match query.seconds {
        None => DEFAULT_WAIT,
        Some(seconds) if seconds > MAX_WAIT.as_secs_f64() => MAX_WAIT,
        Some(seconds) => Duration::try_from_secs_f64(seconds)
            .map_err(|error| Refusal::invalid(format!("the query: seconds: {error}")))?,
    };
    Ok(Json(service.wait(ask::job_key(&job)?, patience).await?))
}

/// Ends a job, or takes it out of the queue
#[utoipa::path(post, path = routes::KILL, tag = "jobs", params(JobParam), request_body = Option<KillRequest>, responses(
    (status = 200, body = JobRow)
))]
pub(in crate::http) async fn kill_job(
    State(service): Shared,
    Extension(noted): Extension<Noted>,
    Address(job): Address<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer<JobRow> {
    let reason = reason::to_kill(ask::optional_json(&headers, body).await?)?;
    noted.why(&reason);
    Ok(Json(service.kill(ask::job_key(&job)?, reason).await?))
}

/// Gives a job another priority
#[utoipa::path(post, path = routes::PRIORITY, tag = "jobs", params(JobParam), request_body = PriorityRequest, responses(
    (status = 200, body = JobRow)
))]
pub(in crate::http) async fn set_job_priority(
    State(service): Shared,
    Extension(noted): Extension<Noted>,
    Address(job): Address<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer<JobRow> {
    let PriorityRequest { priority } = ask::json(&headers, body).await?;
    noted.what(format!("priority {priority}"));
    Ok(Json(service.set_priority(ask::job_key(&job)?, priority).await?))
}

/// What a job has written, as it comes
#[utoipa::path(get, path = routes::OUTPUT, tag = "jobs", params(JobParam, StreamParam, OutputQuery), responses(
    (status = 200, body = [u8], content_type = "application/octet-stream", headers(
        ("x-pool-run" = Option<u32>, description = "Which run it is of. Absent when the job has had none yet.")
    ))
))]
pub(in crate::http) async fn read_job_output(
    State(service): Shared,
    Address((job, stream)): Address<(String, String)>,
    Asked(query): Asked<OutputQuery>,
) -> Result<Response, Refusal> {
    output::answer(service, &job, &stream, query).await
}

/// Which job.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes")]
struct JobParam {
    /// Its id, or its number.
    #[param(pattern = r"^[A-Za-z0-9_][A-Za-z0-9._\-]{0,127}$")]
    job: String,
}

/// Which output.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes")]
struct StreamParam {
    #[param(inline)]
    stream: StreamName,
}

#[derive(utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "it only describes")]
enum StreamName {
    Stdout,
    Stderr,
}
