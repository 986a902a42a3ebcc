//! The addresses of the API. They are the same on the socket of one machine and on a network.
//!
//! | route | method | body | answer |
//! |---|---|---|---|
//! | `/_health/live`, `/_health/ready`, `/_health/ping` | GET | | [`Health`](super::Health) |
//! | `/openapi.json` | GET | | the description of all of it |
//! | `/v1/session` | GET, POST, DELETE | | the web page's log-in |
//! | `/metrics` | GET | | Prometheus text |
//! | `/v1/status` | GET | | [`PoolStatus`](super::PoolStatus) |
//! | `/v1/jobs` | GET | query [`JobQuery`](super::JobQuery) | [`JobPage`](super::JobPage) |
//! | `/v1/jobs` | POST | [`Submission`](super::Submission) | [`Submitted`](super::Submitted) |
//! | `/v1/jobs/{job}` | GET | | [`JobDetail`](super::JobDetail) |
//! | `/v1/jobs/{job}/explain` | GET | | [`Explanation`](super::Explanation) |
//! | `/v1/jobs/{job}/wait` | GET | query `seconds` | [`JobRow`](super::JobRow), when final or after that time |
//! | `/v1/jobs/{job}/kill` | POST | [`KillRequest`](super::KillRequest) | [`JobRow`](super::JobRow) |
//! | `/v1/jobs/{job}/priority` | POST | [`PriorityRequest`](super::PriorityRequest) | [`JobRow`](super::JobRow) |
//! | `/v1/jobs/{job}/output/{stream}` | GET | query `follow`, `run`, `offset` | the bytes, as they come |
//! | `/v1/instances` | GET | | a list of [`InstanceRow`](super::InstanceRow) |
//! | `/v1/instances/{instance}/{action}` | POST | [`KillRequest`](super::KillRequest) for `kill` | [`InstanceRow`](super::InstanceRow) |
//!
//! `{job}` is a job's id or its number. Errors have the body [`Problem`](super::Problem).

pub(crate) const LIVE: &str = "/_health/live";
pub(crate) const READY: &str = "/_health/ready";
pub(crate) const OPENAPI: &str = "/openapi.json";
pub(crate) const SESSION: &str = "/v1/session";
pub(crate) const PING: &str = "/_health/ping";
pub(crate) const METRICS: &str = "/metrics";
pub(crate) const STATUS: &str = "/v1/status";
pub(crate) const JOBS: &str = "/v1/jobs";
pub(crate) const JOB: &str = "/v1/jobs/{job}";
pub(crate) const EXPLAIN: &str = "/v1/jobs/{job}/explain";
pub(crate) const WAIT: &str = "/v1/jobs/{job}/wait";
pub(crate) const KILL: &str = "/v1/jobs/{job}/kill";
pub(crate) const PRIORITY: &str = "/v1/jobs/{job}/priority";
pub(crate) const OUTPUT: &str = "/v1/jobs/{job}/output/{stream}";
pub(crate) const INSTANCES: &str = "/v1/instances";
pub(crate) const INSTANCE_ACTION: &str = "/v1/instances/{instance}/{action}";
