//! What `poold serve` is configured with.

use super::{
    ApiConfig, Common, CommonSections, Listening, QueueConfig, Reader, SchedulerConfig, TelemetryConfig,
    Variables, reader::Section,
};
use crate::program_config::{DriverChoice, InputError, RunnerChoice, SshChoice};
use crate::{http::Tls, say::with_causes};
use pool_core::{ConfigError, PoolConfig};
use std::path::Path;

/// The configuration that is used when no file is given.
pub(super) const DEFAULT: &str = include_str!("default.toml");

/// All of it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ServeConfig {
    pub(crate) pool: PoolConfig,
    pub(crate) driver: DriverChoice,
    pub(crate) ssh: SshChoice,
    pub(crate) runner: RunnerChoice,
    pub(crate) scheduler: SchedulerConfig,
    pub(crate) queue: QueueConfig,
    pub(crate) api: ApiConfig,
    pub(crate) telemetry: TelemetryConfig,
}

/// Reads a file, or the built-in configuration, and the environment's `POOLD__SECTION__FIELD`, which win; checks all
/// that can be checked without starting anything.
///
/// # Errors
/// [`InputError::Problems`] with all that is wrong; [`InputError::Config`] if the file cannot be read at all.
pub(crate) fn load(path: Option<&Path>) -> Result<ServeConfig, InputError> {
    let mut reading = Reading::of(path, of_this_process()?)?;
    reading.check_files();
    reading.finish()
}

/// The same without a look at what it refers to: its driver may be of another program, its files on another machine.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_settings(path: Option<&Path>) -> Result<ServeConfig, InputError> {
    Reading::of(path, of_this_process()?)?.finish()
}

pub(super) fn of_this_process() -> Result<Variables, InputError> {
    Variables::of_this_process().map_err(|problem| ConfigError::Invalid(vec![problem]).into())
}

/// A configuration that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) reader: Reader,
    pub(super) common: CommonSections,
    scheduler: Section<SchedulerConfig>,
    queue: Section<QueueConfig>,
    api: Section<ApiConfig>,
    telemetry: Section<TelemetryConfig>,
}

impl Reading {
    pub(super) fn of(path: Option<&Path>, variables: Variables) -> Result<Self, InputError> {
        let mut reader = Reader::open(path, DEFAULT, variables)?;
        let common = CommonSections::read(&mut reader);
        let scheduler: Section<SchedulerConfig> = reader.section("scheduler");
        if let (Some(config), true) = (&scheduler.value, scheduler.sound) {
            let pool = common.pool.value.as_ref().filter(|_| common.pool.whole);
            reader.all_wrong("scheduler", config.problems(pool.map(|pool| pool.max_instances)));
        }
        let queue: Section<QueueConfig> = reader.section("queue");
        if let (Some(config), true) = (&queue.value, queue.sound) {
            reader.all_wrong("queue", config.problems(queue.whole));
        }
        let api: Section<ApiConfig> = reader.section("api");
        if let (Some(config), true) = (&api.value, api.sound) {
            reader.all_wrong("api", config.problems());
        }
        let telemetry: Section<TelemetryConfig> = reader.section("telemetry");
        if let (Some(config), true) = (&telemetry.value, telemetry.sound) {
            reader.all_wrong("telemetry", config.problems());
        }
        Ok(Self { reader, common, scheduler, queue, api, telemetry })
    }

    pub(super) fn check_files(&mut self) {
        self.common.check_files(&mut self.reader);
        if let Some(Listening { tls: Some((certificate, key)), .. }) =
            self.api.value.as_ref().and_then(ApiConfig::listening)
            && let Err(error) = Tls::read(&certificate, &key)
        {
            self.reader.wrong(&format!("api.{}", error.field()), with_causes(&error));
        }
    }

    pub(super) fn finish(self) -> Result<ServeConfig, InputError> {
        let whole = || {
            let Common { pool, driver, ssh, runner } = self.common.into_common()?;
            let (scheduler, queue, api) = (self.scheduler.value?, self.queue.value?, self.api.value?);
            let telemetry = self.telemetry.value?;
            Some(ServeConfig { pool, driver, ssh, runner, scheduler, queue, api, telemetry })
        };
        self.reader.finish(whole())
    }
}
