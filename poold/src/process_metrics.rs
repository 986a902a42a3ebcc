//! What Prometheus' client libraries say of a process: its time, memory and files, and which program it is.
//!
//! The library's own collector would bring a second generation of rustix for these few numbers.

use prometheus::{
    Counter, Gauge, IntGauge, IntGaugeVec, Opts, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};
use std::fs;

/// Registers them, and the build's name.
///
/// # Errors
/// Names that are taken.
pub(crate) fn register(registry: &Registry, instance_set: &str, driver: &str) -> prometheus::Result<()> {
    registry.register(Box::new(Process::new()?))?;
    let opts = Opts::new("poold_build_info", "Always 1: which release of poold this is, and on which cloud.")
        .const_label("instance_set", instance_set);
    let build = IntGaugeVec::new(opts, &["version", "driver"])?;
    build.with_label_values(&[env!("CARGO_PKG_VERSION"), driver]).set(1);
    registry.register(Box::new(build))
}

/// Read when it is scraped.
struct Process {
    cpu: Counter,
    start: Gauge,
    virtual_memory: Gauge,
    resident_memory: Gauge,
    threads: IntGauge,
    open_files: IntGauge,
    max_files: Gauge,
}

impl Process {
    fn new() -> prometheus::Result<Self> {
        let process = Self {
            cpu: Counter::new("process_cpu_seconds_total", "Processor time of poold, user and system.")?,
            start: Gauge::new("process_start_time_seconds", "When poold started, in seconds since 1970.")?,
            virtual_memory: Gauge::new("process_virtual_memory_bytes", "Address space of poold.")?,
            resident_memory: Gauge::new("process_resident_memory_bytes", "Memory that poold occupies.")?,
            threads: IntGauge::new("process_threads", "Threads of poold.")?,
            open_files: IntGauge::new("process_open_fds", "File descriptors that are open.")?,
            max_files: Gauge::new("process_max_fds", "Most file descriptors that may be open.")?,
        };
        // Neither changes.
        if let (Some(now), Some(boot)) = (Now::read(), boot_time()) {
            process.start.set(boot + now.started);
        }
        let limit = getrlimit(Resource::Nofile).current;
        process.max_files.set(limit.map_or(f64::INFINITY, |limit| limit as f64));
        Ok(process)
    }

    fn all(&self) -> [&dyn Collector; 7] {
        [
            &self.cpu,
            &self.start,
            &self.virtual_memory,
            &self.resident_memory,
            &self.threads,
            &self.open_files,
            &self.max_files,
        ]
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        if let Some(now) = Now::read() {
            self.cpu.inc_by((now.cpu - self.cpu.get()).max(0.0));
            self.virtual_memory.set(now.virtual_memory);
            self.resident_memory.set(now.resident_memory);
            self.threads.set(now.threads);
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // One of them is the directory's own.
            self.open_files.set(i64::try_from(files.count()).unwrap_or(i64::MAX) - 1);
        }
        self.all().into_iter().flat_map(Collector::collect).collect()
    }
}

/// What the kernel says.
#[derive(Debug)]
struct Now {
    /// Seconds.
    cpu: f64,
    /// Seconds from the system's boot.
    started: f64,
    /// Bytes.
    virtual_memory: f64,
    /// Bytes.
    resident_memory: f64,
    threads: i64,
}

impl Now {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // After the program's name, which may hold anything: from the third field on, as proc(5) counts them.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let ticks = clock_ticks_per_second() as f64;
        Some(Self {
            cpu: (field(14)? + field(15)?) / ticks,
            started: field(22)? / ticks,
            virtual_memory: field(23)?,
            resident_memory: field(24)? * page_size() as f64,
            threads: fields.get(17)?.parse().ok()?,
        })
    }
}

/// Seconds since 1970.
fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn the_process_is_seen() {
        let registry = Registry::new();
        register(&registry, "test", "loopback").unwrap();
        let families = registry.gather();
        let value = |name: &str| {
            let family = families.iter().find(|family| family.name() == name).unwrap();
            let metric = &family.get_metric()[0];
            metric.get_counter().get_value() + metric.get_gauge().get_value()
        };
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let age = now - value("process_start_time_seconds");
        assert!((-2.0..3600.0).contains(&age), "{age}");
        assert!(value("process_resident_memory_bytes") > 1e5 && value("process_threads") >= 1.0);
        assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
        assert!((3.0..=value("process_max_fds")).contains(&value("process_open_fds")));
        assert!(value("process_cpu_seconds_total") >= 0.0);
        assert_eq!(value("poold_build_info"), 1.0);
    }
}
