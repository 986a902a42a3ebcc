//! What Prometheus scrapes.

use crate::{calls::CallOutcome, config::PoolConfig};
use pool_api::InstanceTypeName;
use pool_state::{BootOutcome, CallKind, Category, Gauges, Observation};
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, core::Collector,
};
use std::{
    collections::BTreeSet,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Boots and job starts take from milliseconds (loopback) to tens of minutes. Seconds.
const LONG_BUCKETS: [f64; 15] =
    [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0, 1800.0];
/// Calls to a cloud take from milliseconds to minutes: some wait for the provider's operation to end. Seconds.
const CALL_BUCKETS: [f64; 13] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0];
/// Probes take from milliseconds to their time limits. Seconds.
const PROBE_BUCKETS: [f64; 11] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// What is registered. Dropping it takes it out of the registry again, so that the next pool may have the names.
struct Registered {
    registry: Registry,
    collectors: Vec<Box<dyn Collector>>,
}

impl Registered {
    fn add<C: Collector + Clone + 'static>(&mut self, collector: C) -> prometheus::Result<C> {
        self.registry.register(Box::new(collector.clone()))?;
        self.collectors.push(Box::new(collector.clone()));
        Ok(collector)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        for collector in self.collectors.drain(..) {
            // Fails only when somebody else has taken it out.
            drop(self.registry.unregister(collector));
        }
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} collectors", self.collectors.len())
    }
}

/// The pool's series, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Metrics {
    jobs_running: IntGauge,
    probe_age_max: Gauge,
    probe_age_median: Gauge,
    probe_interval: Gauge,
    instances: IntGaugeVec,
    price: GaugeVec,
    vcpus: GaugeVec,
    memory: GaugeVec,
    boots: IntCounterVec,
    disappeared: IntCounterVec,
    calls: IntCounterVec,
    call_duration: HistogramVec,
    hold_offs: IntGaugeVec,
    creates_in_flight: IntGauge,
    list_age: Gauge,
    time_to_ssh: Histogram,
    time_to_ready: Histogram,
    time_to_disappear: Histogram,
    time_to_start: Histogram,
    probe_duration: HistogramVec,
    /// Types that have a series: those that are absent now are set to 0, not left as they were.
    types: Mutex<BTreeSet<InstanceTypeName>>,
    _registered: Registered,
}

impl Metrics {
    /// Registers every series, with the instance set as a constant label.
    pub(crate) fn new(registry: &Registry, config: &PoolConfig) -> prometheus::Result<Self> {
        let instance_set = config.instance_set.as_str();
        let opts = |name: &str, help: &str| {
            Opts::new(name, help).namespace("pool").const_label("instance_set", instance_set)
        };
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec())
        };
        // Dropped, with what is in it, when one of them cannot be registered.
        let mut registered = Registered { registry: registry.clone(), collectors: Vec::new() };
        macro_rules! register {
            ($metric:expr) => {
                registered.add($metric?)?
            };
        }
        let metrics = Self {
            jobs_running: register!(IntGauge::with_opts(opts(
                "jobs_running",
                "Jobs that run on workers or are being started there."
            ))),
            probe_age_max: register!(Gauge::with_opts(opts(
                "probe_age_max_seconds",
                "Time since the last answered probe of the worker that has been silent longest, as in \
                 pool_probe_age_median_seconds."
            ))),
            probe_age_median: register!(Gauge::with_opts(opts(
                "probe_age_median_seconds",
                "Median over the workers of the time since their last answered probe. Without those that boot, that were \
                 found and have never answered, or that another program has taken over."
            ))),
            probe_interval: register!(Gauge::with_opts(opts(
                "probe_interval_seconds",
                "In what interval each worker is probed: as configured, or longer where max_probes_per_second does not \
                 allow it for as many as there are."
            ))),
            instances: register!(IntGaugeVec::new(
                opts("instances", "Instances, by what they do and by configured type."),
                &["category", "instance_type"]
            )),
            price: register!(GaugeVec::new(
                opts(
                    "instances_price_per_hour",
                    "What the instances cost an hour, in the configuration's currency, by what they do."
                ),
                &["category"]
            )),
            vcpus: register!(GaugeVec::new(
                opts("vcpus", "CPUs of the instances, by what they do."),
                &["category"]
            )),
            memory: register!(GaugeVec::new(
                opts("memory_bytes", "Memory of the instances, by what they do."),
                &["category"]
            )),
            boots: register!(IntCounterVec::new(
                opts("boots_total", "Boots that have come to an end, by how."),
                &["outcome"]
            )),
            disappeared: register!(IntCounterVec::new(
                opts("instances_disappeared_total", "Instances that are gone, by what they did before."),
                &["category"]
            )),
            calls: register!(IntCounterVec::new(
                opts(
                    "cloud_calls_total",
                    "Calls to the cloud's API, by what they did and what came of them."
                ),
                &["operation", "outcome"]
            )),
            call_duration: register!(HistogramVec::new(
                histogram(
                    "cloud_call_duration_seconds",
                    "How long calls to the cloud's API took.",
                    &CALL_BUCKETS
                ),
                &["operation"]
            )),
            hold_offs: register!(IntGaugeVec::new(
                opts(
                    "hold_offs",
                    "Refusals of the cloud that are heeded now: scopes without quota, scopes without capacity, kinds of \
                     call whose rate is limited."
                ),
                &["kind"]
            )),
            creates_in_flight: register!(IntGauge::with_opts(opts(
                "creates_in_flight",
                "Instances that were asked for and that the cloud has not answered for yet."
            ))),
            list_age: register!(Gauge::with_opts(opts(
                "list_age_seconds",
                "Time since the last complete list of the instances began; since the start if there was none."
            ))),
            time_to_ssh: register!(Histogram::with_opts(histogram(
                "instance_time_to_ssh_seconds",
                "From the create of an instance to the first connection with it.",
                &LONG_BUCKETS
            ))),
            time_to_ready: register!(Histogram::with_opts(histogram(
                "instance_time_to_ready_seconds",
                "From the create of an instance to the moment that it can take jobs.",
                &LONG_BUCKETS
            ))),
            time_to_disappear: register!(Histogram::with_opts(histogram(
                "instance_time_to_disappear_seconds",
                "From the decision to destroy an instance to the moment that it is gone.",
                &LONG_BUCKETS
            ))),
            time_to_start: register!(Histogram::with_opts(histogram(
                "job_time_to_start_seconds",
                "From a job's submission to the start of a run of it, as its worker confirms it.",
                &LONG_BUCKETS
            ))),
            probe_duration: register!(HistogramVec::new(
                histogram(
                    "probe_duration_seconds",
                    "How long probes of workers took, by whether the worker's runs could be listed.",
                    &PROBE_BUCKETS
                ),
                &["outcome"]
            )),
            types: Mutex::new(config.instance_types.iter().map(|t| t.name.clone()).collect()),
            _registered: {
                // They change with the configuration alone, so nobody needs them again.
                let most = registered.add(IntGauge::with_opts(opts(
                    "max_instances",
                    "Most instances at once, as configured; 0: no limit.",
                ))?)?;
                most.set(i64::from(config.max_instances));
                let cap = registered.add(Gauge::with_opts(opts(
                    "max_price_per_hour",
                    "What the instances may cost an hour, as configured; 0: no limit.",
                ))?)?;
                cap.set(config.max_price_per_hour.map_or(0.0, pool_api::HourlyPrice::as_f64));
                let cheapest = registered.add(Gauge::with_opts(opts(
                    "cheapest_price_per_hour",
                    "What an instance of the cheapest type costs an hour, as configured.",
                ))?)?;
                let least = config.instance_types.iter().map(|t| t.price).min().unwrap_or_default();
                cheapest.set(least.as_f64());
                let sync = registered.add(Gauge::with_opts(opts(
                    "sync_interval_seconds",
                    "In what interval the instances are listed, as configured.",
                ))?)?;
                sync.set(config.sync_interval.as_secs_f64());
                registered
            },
        };
        metrics.start_at_zero();
        Ok(metrics)
    }

    /// Counters that appear only with their first event hide that event from `rate()`.
    fn start_at_zero(&self) {
        for outcome in BootOutcome::ALL {
            self.boots.with_label_values(&[outcome.to_string()]);
        }
        for category in Category::ALL {
            self.disappeared.with_label_values(&[category.to_string()]);
        }
        for kind in CallKind::ALL {
            for outcome in CallOutcome::ALL {
                self.calls.with_label_values(&[kind.to_string().as_str(), outcome.as_str()]);
            }
            self.call_duration.with_label_values(&[kind.to_string()]);
        }
        for outcome in ["success", "failure"] {
            self.probe_duration.with_label_values(&[outcome]);
        }
        self.update(&Gauges::default());
    }

    /// Brings the gauges up to date; series of absent combinations become 0.
    pub(crate) fn update(&self, gauges: &Gauges) {
        self.jobs_running.set(i64::try_from(gauges.jobs_running).unwrap_or(i64::MAX));
        let ages = &gauges.probe_ages;
        self.probe_age_max.set(ages.first().map_or(0.0, Duration::as_secs_f64));
        self.probe_age_median.set(ages.get(ages.len() / 2).map_or(0.0, Duration::as_secs_f64));
        self.probe_interval.set(gauges.probe_interval.as_secs_f64());
        let held = &gauges.hold_offs;
        for (kind, count) in
            [("quota", held.quota), ("capacity", held.capacity), ("rate_limit", held.rate_limit)]
        {
            self.hold_offs.with_label_values(&[kind]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.creates_in_flight.set(i64::try_from(gauges.creates_in_flight).unwrap_or(i64::MAX));
        self.list_age.set(gauges.list_age.as_secs_f64());
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        types.extend(gauges.instances.keys().map(|(_, name)| name.clone()));
        for category in Category::ALL {
            let label = category.to_string();
            for name in types.iter() {
                let count = gauges.instances.get(&(category, name.clone())).copied().unwrap_or(0);
                self.instances
                    .with_label_values(&[label.as_str(), name.as_str()])
                    .set(i64::try_from(count).unwrap_or(i64::MAX));
            }
            let price = gauges.price.get(&category).copied().unwrap_or_default();
            self.price.with_label_values(&[label.as_str()]).set(price.as_f64());
            let vcpus = gauges.vcpus.get(&category).copied().unwrap_or_default();
            self.vcpus.with_label_values(&[label.as_str()]).set(vcpus.as_f64());
            let memory = gauges.memory.get(&category).copied().unwrap_or_default();
            self.memory.with_label_values(&[label.as_str()]).set(memory.0 as f64);
        }
    }

    pub(crate) fn count_call(&self, kind: CallKind, outcome: CallOutcome, took: Duration) {
        let kind = kind.to_string();
        self.calls.with_label_values(&[kind.as_str(), outcome.as_str()]).inc();
        self.call_duration.with_label_values(&[kind]).observe(took.as_secs_f64());
    }

    pub(crate) fn observe(&self, observation: &Observation) {
        match observation {
            Observation::Boot(outcome) => self.boots.with_label_values(&[outcome.to_string()]).inc(),
            Observation::Disappeared(state) => self.disappeared.with_label_values(&[state.to_string()]).inc(),
            Observation::TimeToSsh(time) => self.time_to_ssh.observe(time.as_secs_f64()),
            Observation::TimeToReady(time) => self.time_to_ready.observe(time.as_secs_f64()),
            Observation::TimeToDisappear(time) => self.time_to_disappear.observe(time.as_secs_f64()),
            Observation::TimeToStart(time) => self.time_to_start.observe(time.as_secs_f64()),
            Observation::RunProbe { success, took } => {
                let outcome = if *success { "success" } else { "failure" };
                self.probe_duration.with_label_values(&[outcome]).observe(took.as_secs_f64());
            }
        }
    }
}
