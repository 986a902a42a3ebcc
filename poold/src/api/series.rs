//! What was lately, for charts.

use crate::job::{JobState, Moment};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SeriesQuery {
    /// How far back. Default: an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0.0)]
    pub(crate) seconds: Option<f64>,
}

/// Samples at even distances, oldest first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Series {
    /// From one to the next. Where the program did not run there are none.
    pub(crate) step_seconds: f64,
    pub(crate) points: Vec<SeriesPoint>,
}

/// A sample, or the mean of several.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SeriesPoint {
    /// When it was taken; the end of the time that it is the mean of.
    pub(crate) at: Moment,
    /// Jobs that are not final, by state.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub(crate) jobs: BTreeMap<JobState, u64>,
    /// Instances by worker state.
    pub(crate) instances: BTreeMap<String, u64>,
    /// Of all instances, for an hour, in currency units.
    pub(crate) price_per_hour: f64,
}
