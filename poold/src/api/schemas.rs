//! How values of other crates are written, for the description of the API.

use utoipa::ToSchema;

/// CPUs: a number with up to three places after the point.
#[derive(ToSchema)]
#[schema(as = Cpus, value_type = f64, minimum = 0.0, examples(0.5))]
pub(crate) struct CpusSchema(());

/// Bytes, or a size with its unit.
#[derive(ToSchema)]
#[schema(as = Size)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) enum SizeSchema {
    /// Bytes.
    Bytes(u64),
    /// As in `512 MiB` or `2 GB`.
    #[schema(examples("512 MiB"))]
    Text(String),
}

/// As in `90s` or `1h 30m`.
#[derive(ToSchema)]
#[schema(as = Duration, value_type = String, examples("1h 30m"))]
pub(crate) struct DurationSchema(());

/// What is reserved.
#[derive(ToSchema)]
#[schema(as = Resources)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct ResourcesSchema {
    cpus: f64,
    /// Bytes.
    memory: u64,
    /// Bytes.
    scratch: u64,
    gpus: u32,
}
