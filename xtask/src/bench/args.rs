/// Measure the program and its parts, and hold the figures against their limits
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The limits are in poold/bench/limits.toml; docs/performance.md says what the figures mean.\n\
    Nothing else should run on the machine meanwhile.\n\
    Exit codes: 0 all limits are met; 1 one is not; 2 wrong command line; 3 something could not be measured;\n\
    4 the build failed."
)]
pub(crate) struct BenchArgs {
    /// Measure this group (may be given several times)
    #[arg(long, value_name = "GROUP")]
    pub(super) only: Vec<String>,
    /// List the groups
    #[arg(long, conflicts_with_all = ["only", "gate", "json"])]
    pub(super) list: bool,
    /// Only count the instructions that decisions take, and compare with what they took before: it is the same on a
    /// busy machine, and fails when one takes more
    #[arg(long, conflicts_with_all = ["only", "json"])]
    pub(super) gate: bool,
    /// Print the result as one JSON document, and nothing else to standard output
    #[arg(long)]
    pub(super) json: bool,
}
