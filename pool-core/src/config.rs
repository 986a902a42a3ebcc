//! What an operator configures, and what is wrong with it.

use config::{Config, File, FileFormat};
use pool_api::{Capabilities, HourlyPrice, ImageId, InstanceSetId, InstanceType, InstanceTypeName, Tags};
use pool_state::{Settings, TagNames};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
    time::Duration,
};

/// A pool's configuration. Durations are written as people write them (`90s`, `1h 30m`), and so are sizes
/// (`4 GiB`). Unknown fields are errors.
///
/// ```
/// let config = pool_core::PoolConfig::from_toml(
///     r#"
///     instance_set = "nightly"
///     timeout_idle = "2m"
///
///     [[instance_types]]
///     name = "small"
///     provider_type = "t3.small"
///     vcpus = 2
///     memory = "2 GiB"
///     price = 0.0208
///     "#,
/// )?;
/// assert_eq!(config.instance_types[0].name.as_str(), "small");
/// # Ok::<(), pool_core::ConfigError>(())
/// ```
///
/// `Debug` does not show the init command, which may hold secrets.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    /// Tells this pool's instances from all others in the account.
    pub instance_set: InstanceSetId,
    /// What the names of the pool's tags begin with. Default: `pool-`.
    #[serde(default = "default_tag_prefix")]
    pub tag_prefix: String,
    /// The types of instance on offer.
    pub instance_types: Vec<InstanceType>,
    /// What instances boot from whose type names no image. Default: the driver's.
    #[serde(default)]
    pub image: Option<ImageId>,
    /// A shell script that each instance runs once when it first boots, after it has stored its secret.
    #[serde(default)]
    pub init_command: String,
    /// A command that succeeds once an instance has booted. Default: `true`.
    #[serde(default = "default_boot_probe_command")]
    pub boot_probe_command: String,
    /// A create, list, destroy or saving of tags that has not ended by then counts as lost. Default: 15 min, as
    /// providers' own operations take minutes.
    #[serde(default = "default_cloud_call_timeout", with = "humantime_serde")]
    pub cloud_call_timeout: Duration,
    /// A worker that no pool has talked to for this long, without a job and not held, ends itself. Default: 1 h.
    #[serde(default = "default_timeout_orphan", with = "humantime_serde")]
    pub timeout_orphan: Duration,
    /// How often the metrics are brought up to date between scrapes, at most. Default: 1 s.
    #[serde(default = "default_metrics_interval", with = "humantime_serde")]
    pub metrics_interval: Duration,

    /// See [`Settings::sync_interval`].
    #[serde(default = "defaults::sync_interval", with = "humantime_serde")]
    pub sync_interval: Duration,
    /// See [`Settings::probe_interval`].
    #[serde(default = "defaults::probe_interval", with = "humantime_serde")]
    pub probe_interval: Duration,
    /// See [`Settings::max_probes_per_second`].
    #[serde(default = "defaults::max_probes_per_second")]
    pub max_probes_per_second: u32,
    /// See [`Settings::timeout_idle`].
    #[serde(default = "defaults::timeout_idle", with = "humantime_serde")]
    pub timeout_idle: Duration,
    /// See [`Settings::timeout_booting`].
    #[serde(default = "defaults::timeout_booting", with = "humantime_serde")]
    pub timeout_booting: Duration,
    /// See [`Settings::timeout_probe`].
    #[serde(default = "defaults::timeout_probe", with = "humantime_serde")]
    pub timeout_probe: Duration,
    /// See [`Settings::timeout_shutdown`].
    #[serde(default = "defaults::timeout_shutdown", with = "humantime_serde")]
    pub timeout_shutdown: Duration,
    /// See [`Settings::timeout_term`].
    #[serde(default = "defaults::timeout_term", with = "humantime_serde")]
    pub timeout_term: Duration,
    /// See [`Settings::timeout_signal`].
    #[serde(default = "defaults::timeout_signal", with = "humantime_serde")]
    pub timeout_signal: Duration,
    /// See [`Settings::timeout_stale_run_lock`].
    #[serde(default = "defaults::timeout_stale_run_lock", with = "humantime_serde")]
    pub timeout_stale_run_lock: Duration,
    /// See [`Settings::quota_error_ttl`].
    #[serde(default = "defaults::quota_error_ttl", with = "humantime_serde")]
    pub quota_error_ttl: Duration,
    /// See [`Settings::capacity_error_ttl`].
    #[serde(default = "defaults::capacity_error_ttl", with = "humantime_serde")]
    pub capacity_error_ttl: Duration,
    /// See [`Settings::max_cloud_ops_per_second`].
    #[serde(default = "defaults::max_cloud_ops_per_second")]
    pub max_cloud_ops_per_second: u32,
    /// See [`Settings::max_concurrent_instance_create_ops`].
    #[serde(default = "defaults::max_concurrent_instance_create_ops")]
    pub max_concurrent_instance_create_ops: u32,
    /// See [`Settings::max_instances`].
    #[serde(default = "defaults::max_instances")]
    pub max_instances: u32,
    /// How many workers of each type may stay idle, by the type's name. See [`Settings::min_idle`].
    #[serde(default)]
    pub min_idle: BTreeMap<InstanceTypeName, u32>,
    /// See [`Settings::max_jobs_per_instance`].
    #[serde(default = "defaults::max_jobs_per_instance")]
    pub max_jobs_per_instance: u32,
    /// See [`Settings::max_lifetime`].
    #[serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<Duration>,
    /// See [`Settings::max_price_per_hour`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_price_per_hour: Option<HourlyPrice>,
}

impl fmt::Debug for PoolConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = format!("{} bytes, not shown", self.init_command.len());
        let shown = Self { init_command: hidden, ..self.clone() };
        // As it is written, which is easier to read than all fields with their types.
        let text = serde_json::to_string(&shown).map_err(|_| fmt::Error)?;
        write!(f, "PoolConfig {text}")
    }
}

fn default_tag_prefix() -> String {
    "pool-".to_owned()
}

fn default_boot_probe_command() -> String {
    "true".to_owned()
}

const fn default_cloud_call_timeout() -> Duration {
    Duration::from_secs(15 * 60)
}

const fn default_timeout_orphan() -> Duration {
    Duration::from_secs(60 * 60)
}

const fn default_metrics_interval() -> Duration {
    Duration::from_secs(1)
}

/// The defaults of pool-state, one function each, as serde wants them.
mod defaults {
    use pool_state::Settings;
    use std::time::Duration;

    macro_rules! from_settings {
        ($($field:ident: $type:ty),* $(,)?) => {
            $(pub(super) fn $field() -> $type {
                Settings::default().$field
            })*
        };
    }
    from_settings! {
        sync_interval: Duration,
        probe_interval: Duration,
        max_probes_per_second: u32,
        timeout_idle: Duration,
        timeout_booting: Duration,
        timeout_probe: Duration,
        timeout_shutdown: Duration,
        timeout_term: Duration,
        timeout_signal: Duration,
        timeout_stale_run_lock: Duration,
        quota_error_ttl: Duration,
        capacity_error_ttl: Duration,
        max_cloud_ops_per_second: u32,
        max_concurrent_instance_create_ops: u32,
        max_instances: u32,
        max_jobs_per_instance: u32,
    }
}

/// One thing that is wrong with a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldProblem {
    /// The field, as a path.
    pub field: String,
    /// What is wrong and what to do.
    pub problem: String,
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read: a syntax error, an unknown field, a value of the wrong type.
    #[error("{place} is no configuration that can be used: {problem}")]
    Unreadable {
        /// The file, or "the text".
        place: String,
        /// What is wrong, with the field's name.
        problem: String,
    },
    /// It can be read, but makes no sense. All that is wrong is listed.
    #[error("{}", list(.0))]
    Invalid(Vec<FieldProblem>),
}

fn list(problems: &[FieldProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads any configuration type from a TOML text, with errors that name the field.
///
/// # Errors
/// [`ConfigError::Unreadable`].
pub fn read_toml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, ConfigError> {
    read(File::from_str(text, FileFormat::Toml), "the text")
}

/// Reads any configuration type from a TOML file, with errors that name the field.
///
/// # Errors
/// [`ConfigError::Unreadable`].
pub fn read_toml_file<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    // Read here, for the plain error of a file that is not there.
    let place = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Unreadable { place: place.clone(), problem: error.to_string() })?;
    read(File::from_str(&text, FileFormat::Toml), &place)
}

fn read<T, S, F>(source: File<S, F>, place: &str) -> Result<T, ConfigError>
where
    T: serde::de::DeserializeOwned,
    File<S, F>: config::Source + Send + Sync + 'static,
{
    let unreadable = |error: &config::ConfigError| ConfigError::Unreadable {
        place: place.to_owned(),
        problem: error.to_string(),
    };
    let config = Config::builder().add_source(source).build().map_err(|e| unreadable(&e))?;
    config.try_deserialize().map_err(|e| unreadable(&e))
}

impl PoolConfig {
    /// The tags by which this pool's instances are told from all others: to list them without a pool.
    pub fn instance_tags(&self) -> Tags {
        let name = TagNames::new(&self.tag_prefix).instance_set;
        [(name, self.instance_set.as_str())].into_iter().collect()
    }

    /// A configuration with nothing but what has no default.
    pub fn new(instance_set: InstanceSetId, instance_types: Vec<InstanceType>) -> Self {
        let settings = Settings::default();
        Self {
            instance_set,
            tag_prefix: default_tag_prefix(),
            instance_types,
            image: None,
            init_command: String::new(),
            boot_probe_command: default_boot_probe_command(),
            cloud_call_timeout: default_cloud_call_timeout(),
            timeout_orphan: default_timeout_orphan(),
            metrics_interval: default_metrics_interval(),
            sync_interval: settings.sync_interval,
            probe_interval: settings.probe_interval,
            max_probes_per_second: settings.max_probes_per_second,
            timeout_idle: settings.timeout_idle,
            timeout_booting: settings.timeout_booting,
            timeout_probe: settings.timeout_probe,
            timeout_shutdown: settings.timeout_shutdown,
            timeout_term: settings.timeout_term,
            timeout_signal: settings.timeout_signal,
            timeout_stale_run_lock: settings.timeout_stale_run_lock,
            quota_error_ttl: settings.quota_error_ttl,
            capacity_error_ttl: settings.capacity_error_ttl,
            max_cloud_ops_per_second: settings.max_cloud_ops_per_second,
            max_concurrent_instance_create_ops: settings.max_concurrent_instance_create_ops,
            max_instances: settings.max_instances,
            min_idle: settings.min_idle,
            max_jobs_per_instance: settings.max_jobs_per_instance,
            max_lifetime: settings.max_lifetime,
            max_price_per_hour: settings.max_price_per_hour,
        }
    }

    /// Reads and [validates](Self::validate) a configuration.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let config: Self = read_toml(text)?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what types alone cannot say.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        let mut wrong = |field: String, problem: &str| {
            problems.push(FieldProblem { field, problem: problem.to_owned() });
        };
        if self.instance_types.is_empty() {
            wrong("instance_types".into(), "there is none: add at least one");
        }
        let mut names = BTreeSet::new();
        for (index, instance_type) in self.instance_types.iter().enumerate() {
            let field = |name: &str| format!("instance_types[{index}].{name}");
            if !names.insert(&instance_type.name) {
                let problem =
                    format!("{:?} is the name of an earlier type too: give each its own", instance_type.name);
                wrong(field("name"), &problem);
            }
            if instance_type.vcpus.as_millis() == 0 {
                wrong(field("vcpus"), "must be more than 0");
            }
            if instance_type.memory.0 == 0 {
                wrong(field("memory"), "must be more than 0");
            }
        }
        for name in self.min_idle.keys().filter(|name| !names.contains(name)) {
            wrong(format!("min_idle.{name}"), "no instance type has this name: use one of instance_types");
        }
        let idle: u64 = self.min_idle.values().map(|idle| u64::from(*idle)).sum();
        if self.max_instances > 0 && idle > u64::from(self.max_instances) {
            let problem = format!("{idle} in all, more than max_instances ({}) allows", self.max_instances);
            wrong("min_idle".into(), &problem);
        }
        if self.max_lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
            wrong("max_lifetime".into(), "must be more than 0: leave it out for no limit");
        }
        if let Some(cap) = self.max_price_per_hour {
            let cheapest = self.instance_types.iter().map(|t| t.price).min();
            if cheapest.is_some_and(|price| price > cap) {
                let problem = "allows not even one instance of the cheapest type: raise it";
                wrong("max_price_per_hour".into(), problem);
            }
        }
        let positive = [
            ("sync_interval", self.sync_interval),
            ("probe_interval", self.probe_interval),
            ("timeout_booting", self.timeout_booting),
            ("timeout_probe", self.timeout_probe),
            ("timeout_shutdown", self.timeout_shutdown),
            ("timeout_signal", self.timeout_signal),
            ("cloud_call_timeout", self.cloud_call_timeout),
            ("timeout_orphan", self.timeout_orphan),
            ("metrics_interval", self.metrics_interval),
        ];
        for (field, value) in positive {
            if value.is_zero() {
                wrong(field.into(), "must be more than 0");
            }
        }
        if self.boot_probe_command.trim().is_empty() {
            wrong("boot_probe_command".into(), "must not be empty: use `true` if there is nothing to check");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':');
        if self.tag_prefix.len() > 64 || !self.tag_prefix.chars().all(plain) {
            wrong("tag_prefix".into(), "must be at most 64 of A-Z a-z 0-9 - _ . / :");
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::Invalid(problems)) }
    }

    /// Checks what depends on the provider: whether it can do what the types ask for, and store the pool's tags.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all that is wrong.
    pub fn validate_for(&self, capabilities: &Capabilities) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        let mut wrong = |field: String, problem: String| problems.push(FieldProblem { field, problem });
        let limits = &capabilities.tags;
        let names = TagNames::new(&self.tag_prefix);
        let all =
            [names.instance_set, names.instance_type, names.idle_behavior, names.secret_hash, names.host_key];
        if let Some(name) = all.iter().find(|name| name.len() > limits.name_length) {
            let most = limits.name_length;
            wrong(
                "tag_prefix".into(),
                format!(
                    "the provider's tags have names of at most {most} characters, and {name} has more: make it shorter"
                ),
            );
        }
        let too_long = |value: &str| value.len() > limits.value_length;
        let make_shorter = format!(
            "the provider's tags have values of at most {} characters: make it shorter",
            limits.value_length
        );
        if too_long(self.instance_set.as_str()) {
            wrong("instance_set".into(), make_shorter.clone());
        }
        for (index, instance_type) in self.instance_types.iter().enumerate() {
            let field = |name: &str| format!("instance_types[{index}].{name}");
            if too_long(instance_type.name.as_str()) {
                wrong(field("name"), make_shorter.clone());
            }
            if instance_type.preemptible && !capabilities.preemptible {
                wrong(field("preemptible"), "the driver has no preemptible instances: leave it out".into());
            }
            if instance_type.added_scratch.0 > 0 && !capabilities.added_scratch {
                wrong(
                    field("added_scratch"),
                    "the driver adds no scratch disks: leave it out, or use included_scratch".into(),
                );
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::Invalid(problems)) }
    }

    /// The limits and intervals, as pool-state takes them.
    pub fn settings(&self) -> Settings {
        Settings {
            sync_interval: self.sync_interval,
            probe_interval: self.probe_interval,
            max_probes_per_second: self.max_probes_per_second,
            timeout_idle: self.timeout_idle,
            timeout_booting: self.timeout_booting,
            timeout_probe: self.timeout_probe,
            timeout_shutdown: self.timeout_shutdown,
            timeout_term: self.timeout_term,
            timeout_signal: self.timeout_signal,
            timeout_stale_run_lock: self.timeout_stale_run_lock,
            quota_error_ttl: self.quota_error_ttl,
            capacity_error_ttl: self.capacity_error_ttl,
            max_cloud_ops_per_second: self.max_cloud_ops_per_second,
            max_concurrent_instance_create_ops: self.max_concurrent_instance_create_ops,
            max_instances: self.max_instances,
            min_idle: self.min_idle.clone(),
            max_jobs_per_instance: self.max_jobs_per_instance,
            max_lifetime: self.max_lifetime,
            max_price_per_hour: self.max_price_per_hour,
            ..Settings::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "instance_set = 'a'\n[[instance_types]]\nname = 's'\nprovider_type = 't'\nvcpus = 1\nmemory = '1 GiB'\nprice = 0.5\n";

    #[test]
    fn each_mistake_is_an_error_that_names_its_field() {
        let twice = GOOD.split_once('\n').unwrap().1;
        let cases: [(String, &[&str]); 16] = [
            (format!("sync_intervall = '1m'\n{GOOD}"), &["sync_intervall"]),
            (format!("max_instances = 'many'\n{GOOD}"), &["max_instances"]),
            (format!("timeout_idle = '5 parsecs'\n{GOOD}"), &["timeout_idle"]),
            (format!("{GOOD}{twice}"), &["instance_types[1].name", "\"s\""]),
            (GOOD.replace("0.5", "-0.5"), &["price", "-0.5"]),
            (GOOD.replace("'1 GiB'", "'one'"), &["memory"]),
            (GOOD.replace("instance_set = 'a'", "instance_set = 'a b'"), &["instance set id", "a b"]),
            (format!("probe_interval = '0s'\n{GOOD}"), &["probe_interval"]),
            (format!("boot_probe_command = ''\n{GOOD}"), &["boot_probe_command"]),
            ("instance_set = 'a'\ninstance_types = []".into(), &["instance_types"]),
            (format!("{GOOD}[min_idle]\nlarge = 1\n"), &["min_idle.large", "instance_types"]),
            (format!("max_instances = 3\n{GOOD}[min_idle]\ns = 4\n"), &["min_idle", "max_instances (3)"]),
            (format!("max_jobs_per_instance = -1\n{GOOD}"), &["max_jobs_per_instance"]),
            (format!("max_lifetime = '0s'\n{GOOD}"), &["max_lifetime"]),
            (format!("max_price_per_hour = -1\n{GOOD}"), &["max_price_per_hour"]),
            (format!("max_price_per_hour = 0.49\n{GOOD}"), &["max_price_per_hour", "cheapest"]),
        ];
        for (text, expected) in cases {
            let error = PoolConfig::from_toml(&text).unwrap_err().to_string();
            for part in expected {
                assert!(error.contains(part), "{part:?} is not in: {error}\nof {text}");
            }
        }
    }

    #[test]
    fn what_the_provider_cannot_do_is_an_error_that_names_the_field() {
        let text = GOOD.replace("price", "preemptible = true\nadded_scratch = '1 GiB'\nprice");
        let config = PoolConfig::from_toml(&text).unwrap();
        let able = Capabilities {
            idempotency: pool_api::Idempotency::None,
            tags: pool_api::TagLimits { count: 50, name_length: 128, value_length: 256 },
            preemptible: true,
            added_scratch: true,
            host_keys: false,
            list_settle_time: Duration::ZERO,
        };
        config.validate_for(&able).unwrap();
        let tags = pool_api::TagLimits { name_length: 15, ..able.tags };
        let unable = Capabilities { preemptible: false, added_scratch: false, tags, ..able };
        let Err(ConfigError::Invalid(problems)) = config.validate_for(&unable) else {
            panic!("it was taken")
        };
        let fields: Vec<_> = problems.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(
            fields,
            ["tag_prefix", "instance_types[0].preemptible", "instance_types[0].added_scratch"]
        );
    }

    #[test]
    fn debug_does_not_show_the_init_command() {
        let config = PoolConfig::from_toml(&format!("init_command = 'login hunter2'\n{GOOD}")).unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2") && shown.contains("13 bytes, not shown"), "{shown}");
    }

    #[test]
    fn quoted_keys_are_kept_as_they_are() {
        #[derive(Deserialize)]
        struct Text {
            groups: BTreeMap<String, u32>,
        }
        let text: Text = read_toml("[groups]\n'Loop.Small' = 1\n\"a b[0]\" = 2\n").unwrap();
        assert_eq!(text.groups.keys().collect::<Vec<_>>(), ["Loop.Small", "a b[0]"]);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let text = format!("sync_interval = '0s'\nprobe_interval = '0s'\ntag_prefix = 'a b'\n{GOOD}");
        let Err(ConfigError::Invalid(problems)) = PoolConfig::from_toml(&text) else {
            panic!("it was taken")
        };
        let fields: Vec<_> = problems.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(fields, ["sync_interval", "probe_interval", "tag_prefix"]);
    }

    #[test]
    fn p01_defaults_are_those_of_pool_state_and_can_be_overridden() {
        let config = PoolConfig::from_toml(GOOD).unwrap();
        assert_eq!(config.settings(), Settings::default());
        assert_eq!(config, PoolConfig::new(config.instance_set.clone(), config.instance_types.clone()));
        let other = PoolConfig::from_toml(&format!("timeout_idle = '7m'\n{GOOD}")).unwrap();
        assert_eq!(other.settings().timeout_idle, Duration::from_secs(420));
    }

    #[test]
    fn policies_are_read_and_written_as_they_were() {
        let text = format!(
            "max_jobs_per_instance = 1\nmax_lifetime = '12h'\nmax_price_per_hour = 2.5\n{GOOD}[min_idle]\ns = 2\n"
        );
        let config = PoolConfig::from_toml(&text).unwrap();
        let settings = config.settings();
        assert_eq!(settings.min_idle, [("s".parse().unwrap(), 2)].into());
        assert_eq!(settings.max_jobs_per_instance, 1);
        assert_eq!(settings.max_lifetime, Some(Duration::from_secs(12 * 3600)));
        assert_eq!(settings.max_price_per_hour, Some(HourlyPrice::from_micros(2_500_000)));
        for config in [config, PoolConfig::from_toml(GOOD).unwrap()] {
            assert_eq!(PoolConfig::from_toml(&toml::to_string(&config).unwrap()).unwrap(), config);
        }
    }
}
