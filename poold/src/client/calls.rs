//! What can be asked.

use super::{connection::Client, error::ClientError};
use crate::{
    api::{
        Explanation, InstanceRow, JobDetail, JobPage, JobQuery, JobRow, KillRequest, PoolStatus,
        PriorityRequest, Submitted, routes,
    },
    job::JobKey,
};
use bytes::Bytes;
use hyper::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pool_core::InstanceId;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};
use std::{collections::BTreeMap, time::Duration};

/// What may stand in any part of an address as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An address of [`routes`] with its `{…}` filled in, in their order.
pub(super) fn address(route: &str, parts: &[&str]) -> String {
    let mut path = String::new();
    let mut rest = route;
    for part in parts {
        let Some((before, after)) = rest.split_once('{') else { break };
        path.push_str(before);
        path.extend(utf8_percent_encode(part, ENCODED));
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    path.push_str(rest);
    path
}

/// What follows the question mark: the fields of `query` that are there.
fn query(query: &impl Serialize) -> Result<String, ClientError> {
    let fields = serde_json::to_value(query).map_err(|error| ClientError::Request(error.into()))?;
    let mut text = String::new();
    // In one order, whatever a dependency has chosen for all maps of the program.
    let fields: BTreeMap<_, _> = fields.as_object().into_iter().flatten().collect();
    for (field, value) in fields {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(&format!("{field}={}", utf8_percent_encode(&value, ENCODED)));
    }
    Ok(text)
}

fn json(body: &impl Serialize) -> Result<Bytes, ClientError> {
    serde_json::to_vec(body).map(Bytes::from).map_err(|error| ClientError::Request(error.into()))
}

/// [`Submission`](crate::api::Submission) with jobs that are JSON already.
#[derive(Serialize)]
struct WrittenSubmission<'a> {
    request_id: &'a str,
    jobs: &'a [Box<RawValue>],
}

/// Each asks again for up to ten seconds if `poold serve` has been reached before and is gone, except for changes of
/// jobs and instances. Dropping a future leaves open whether a change that was asked for is made.
impl Client {
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.patiently(|| self.ask(Method::GET, path, Bytes::new())).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.ask(Method::POST, path, json(body)?).await
    }

    /// Queues jobs, each a [`JobRequest`](crate::job::JobRequest) as JSON. The request id keeps them from being queued
    /// twice.
    pub(crate) async fn submit(
        &self,
        request_id: &str,
        jobs: &[Box<RawValue>],
    ) -> Result<Submitted, ClientError> {
        let body = json(&WrittenSubmission { request_id, jobs })?;
        self.patiently(|| self.ask(Method::POST, routes::JOBS, body.clone())).await
    }

    pub(crate) async fn jobs(&self, wanted: &JobQuery) -> Result<JobPage, ClientError> {
        self.get(&format!("{}{}", routes::JOBS, query(wanted)?)).await
    }

    pub(crate) async fn job(&self, key: &JobKey) -> Result<JobDetail, ClientError> {
        self.get(&address(routes::JOB, &[&key.to_string()])).await
    }

    pub(crate) async fn explain(&self, key: &JobKey) -> Result<Explanation, ClientError> {
        self.get(&address(routes::EXPLAIN, &[&key.to_string()])).await
    }

    /// A job when it is final, or as it is after that time or the server's longest.
    pub(crate) async fn wait(&self, key: &JobKey, patience: Duration) -> Result<JobRow, ClientError> {
        let path = address(routes::WAIT, &[&key.to_string()]);
        self.get(&format!("{path}?seconds={}", patience.as_secs_f64())).await
    }

    pub(crate) async fn kill(&self, key: &JobKey, reason: Option<String>) -> Result<JobRow, ClientError> {
        self.post(&address(routes::KILL, &[&key.to_string()]), &KillRequest { reason }).await
    }

    pub(crate) async fn set_priority(&self, key: &JobKey, priority: u32) -> Result<JobRow, ClientError> {
        self.post(&address(routes::PRIORITY, &[&key.to_string()]), &PriorityRequest { priority }).await
    }

    pub(crate) async fn instances(&self) -> Result<Vec<InstanceRow>, ClientError> {
        self.get(routes::INSTANCES).await
    }

    /// `hold`, `drain`, `run` or `kill`.
    pub(crate) async fn act_on_instance(
        &self,
        id: &InstanceId,
        action: &str,
        reason: Option<String>,
    ) -> Result<InstanceRow, ClientError> {
        let path = address(routes::INSTANCE_ACTION, &[id.as_str(), action]);
        self.post(&path, &KillRequest { reason }).await
    }

    pub(crate) async fn status(&self) -> Result<PoolStatus, ClientError> {
        self.get(routes::STATUS).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_change_where_a_question_goes() {
        assert_eq!(address(routes::JOB, &["a-1"]), "/v1/jobs/a-1");
        let path = address(routes::INSTANCE_ACTION, &["../x?y=%#z ü", "hold"]);
        assert_eq!(path, "/v1/instances/..%2Fx%3Fy%3D%25%23z%20%C3%BC/hold");
        let wanted = JobQuery { name: Some("a&b=c".into()), limit: Some(3), ..JobQuery::default() };
        assert_eq!(query(&wanted).unwrap(), "?limit=3&name=a%26b%3Dc");
        assert_eq!(query(&JobQuery::default()).unwrap(), "");
    }
}
