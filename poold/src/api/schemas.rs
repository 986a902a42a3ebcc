//! How values of other crates are written, for the description of the API.

use utoipa::ToSchema;

/// CPUs: a number with up to three places after the point.
#[derive(ToSchema)]
#[schema(as = Cpus, value_type = f64, minimum = 0.0, maximum = 1000000.0, examples(0.5))]
pub(crate) struct CpusSchema(());

/// Bytes, or a size with its unit.
#[derive(ToSchema)]
#[schema(as = Size)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) enum SizeSchema {
    /// Bytes.
    Bytes(u64),
    /// With its unit.
    Text(SizeText),
}

/// As in `512 MiB` or `2 GB`.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = r"^[0-9]{1,6} ?([KMGT]i?)?B$", examples("512 MiB"))]
pub(crate) struct SizeText(());

/// As in `90s` or `1h 30m`.
#[derive(ToSchema)]
#[schema(as = Duration, value_type = String, pattern = r"^[0-9]{1,4}(ms|s|m|h|d)( [0-9]{1,4}(ms|s|m|h|d))*$", examples("1h 30m"))]
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
