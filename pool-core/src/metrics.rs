//! What Prometheus scrapes.

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
};

/// Boots and job starts take from milliseconds (loopback) to tens of minutes. Seconds.
const LONG_BUCKETS: [f64; 15] =
    [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0, 1800.0];
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
    instances: IntGaugeVec,
    price: GaugeVec,
    vcpus: GaugeVec,
    memory: GaugeVec,
    boot_outcomes: IntCounterVec,
    disappeared: IntCounterVec,
    calls: IntCounterVec,
    time_to_ssh: Histogram,
    time_to_ready: Histogram,
    time_to_disappear: Histogram,
    time_to_start: Histogram,
    run_probe: HistogramVec,
    /// Types that have a series: those that are absent now are set to 0, not left as they were.
    types: Mutex<BTreeSet<InstanceTypeName>>,
    _registered: Registered,
}

impl Metrics {
    /// Registers every series, with the instance set as a constant label.
    pub(crate) fn new(
        registry: &Registry,
        instance_set: &str,
        types: &[InstanceTypeName],
    ) -> prometheus::Result<Self> {
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
                "Jobs that run or are being prepared."
            ))),
            probe_age_max: register!(Gauge::with_opts(opts(
                "probe_age_seconds_max",
                "Longest time since a worker's last successful probe began."
            ))),
            probe_age_median: register!(Gauge::with_opts(opts(
                "probe_age_seconds_median",
                "Median time since a worker's last successful probe began."
            ))),
            instances: register!(IntGaugeVec::new(
                opts("instances", "Instances by category and type."),
                &["category", "instance_type"]
            )),
            price: register!(GaugeVec::new(
                opts("instances_price", "Price of the instances for an hour, by category."),
                &["category"]
            )),
            vcpus: register!(GaugeVec::new(
                opts("vcpus", "CPUs of the instances, by category."),
                &["category"]
            )),
            memory: register!(GaugeVec::new(
                opts("memory_bytes", "Memory of the instances, by category."),
                &["category"]
            )),
            boot_outcomes: register!(IntCounterVec::new(
                opts("boot_outcomes_total", "How boots have ended."),
                &["outcome"]
            )),
            disappeared: register!(IntCounterVec::new(
                opts(
                    "instances_disappeared_total",
                    "Instances that have disappeared, by their state before."
                ),
                &["state"]
            )),
            calls: register!(IntCounterVec::new(
                opts("driver_operations_total", "Calls to the cloud, and whether they failed."),
                &["operation", "error"]
            )),
            time_to_ssh: register!(Histogram::with_opts(histogram(
                "instances_time_to_ssh_seconds",
                "From the create to the first connection.",
                &LONG_BUCKETS
            ))),
            time_to_ready: register!(Histogram::with_opts(histogram(
                "instances_time_to_ready_for_job_seconds",
                "From the create to readiness for a job.",
                &LONG_BUCKETS
            ))),
            time_to_disappear: register!(Histogram::with_opts(histogram(
                "instances_time_from_shutdown_request_to_disappearance_seconds",
                "From the request to shut down to the disappearance.",
                &LONG_BUCKETS
            ))),
            time_to_start: register!(Histogram::with_opts(histogram(
                "jobs_time_from_queue_to_start_seconds",
                "From a job's place in the queue to its start.",
                &LONG_BUCKETS
            ))),
            run_probe: register!(HistogramVec::new(
                histogram(
                    "instances_run_probe_duration_seconds",
                    "How long probes took, by whether the runs could be listed.",
                    &PROBE_BUCKETS
                ),
                &["outcome"]
            )),
            types: Mutex::new(types.iter().cloned().collect()),
            _registered: registered,
        };
        metrics.start_at_zero();
        Ok(metrics)
    }

    /// Counters that appear only with their first event hide that event from `rate()`.
    fn start_at_zero(&self) {
        for outcome in BootOutcome::ALL {
            self.boot_outcomes.with_label_values(&[outcome.to_string()]);
        }
        for category in Category::ALL {
            self.disappeared.with_label_values(&[category.to_string()]);
        }
        for kind in CallKind::ALL {
            for error in ["0", "1"] {
                self.calls.with_label_values(&[kind.to_string().as_str(), error]);
            }
        }
        for outcome in ["success", "fail"] {
            self.run_probe.with_label_values(&[outcome]);
        }
        self.update(&Gauges::default());
    }

    /// Brings the gauges up to date; series of absent combinations become 0.
    pub(crate) fn update(&self, gauges: &Gauges) {
        self.jobs_running.set(i64::try_from(gauges.jobs_running).unwrap_or(i64::MAX));
        let ages = &gauges.probe_ages;
        self.probe_age_max.set(ages.first().map_or(0.0, std::time::Duration::as_secs_f64));
        self.probe_age_median.set(ages.get(ages.len() / 2).map_or(0.0, std::time::Duration::as_secs_f64));
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

    pub(crate) fn count_call(&self, kind: CallKind, error: bool) {
        let error = if error { "1" } else { "0" };
        self.calls.with_label_values(&[kind.to_string().as_str(), error]).inc();
    }

    pub(crate) fn observe(&self, observation: &Observation) {
        match observation {
            Observation::Boot(outcome) => self.boot_outcomes.with_label_values(&[outcome.to_string()]).inc(),
            Observation::Disappeared(state) => self.disappeared.with_label_values(&[state.to_string()]).inc(),
            Observation::TimeToSsh(time) => self.time_to_ssh.observe(time.as_secs_f64()),
            Observation::TimeToReady(time) => self.time_to_ready.observe(time.as_secs_f64()),
            Observation::TimeToDisappear(time) => self.time_to_disappear.observe(time.as_secs_f64()),
            Observation::TimeToStart(time) => self.time_to_start.observe(time.as_secs_f64()),
            Observation::RunProbe { success, took } => {
                let outcome = if *success { "success" } else { "fail" };
                self.run_probe.with_label_values(&[outcome]).observe(took.as_secs_f64());
            }
        }
    }
}
