//! What is checked once a run is over, and what jobs may expect.

use super::{
    setting::{JobExit, Setting},
    shared::Shared,
};
use crate::{
    dispatcher::OutputStore,
    job::{Finish, OutputKept, Record},
};
use driver_loopback::sim::sim_output;
use pool_core::{InstanceType, InstanceTypeName, JobId, OutputStream, Resources, RunId};
use std::{collections::BTreeSet, path::Path};

/// For each job, the types that it fits and that are not too dear for it.
pub(super) fn types_of_jobs(setting: &Setting) -> Vec<BTreeSet<InstanceTypeName>> {
    let types = &setting.config.pool.instance_types;
    let factor = setting.config.scheduler.price_factor;
    let of_job = |wants: Resources, preemptible: bool| {
        let fit: Vec<&InstanceType> = types
            .iter()
            .filter(|of| wants.fits_in(&of.resources()) && (preemptible || !of.preemptible))
            .collect();
        let cheapest = fit.iter().map(|of| of.price.as_f64()).fold(f64::INFINITY, f64::min);
        fit.iter().filter(|of| of.price.as_f64() <= cheapest * factor).map(|of| of.name.clone()).collect()
    };
    setting.jobs.iter().map(|job| of_job(job.request.resources(), job.request.preemptible)).collect()
}

/// Checks what can be seen only at the end: the outputs, the ends of jobs, and that no secret was told.
pub(super) fn check(setting: &Setting, jobs: &[(usize, JobId)], state_dir: &Path, shared: &Shared) {
    let outputs = match OutputStore::open(state_dir.join("outputs")) {
        Ok(outputs) => outputs,
        Err(error) => return broken(shared, "invariant_output", format!("outputs cannot be read: {error}")),
    };
    for (place, id) in jobs {
        let Some(record) = shared.check(|checker| checker.record(id).cloned()) else { continue };
        check_end(setting, *place, id, &record, shared);
        check_output(setting, *place, id, &record, &outputs, shared);
    }
}

fn broken(shared: &Shared, rule: &'static str, what: String) {
    shared.check(|checker| checker.broken(rule, what));
}

/// A job that nobody ended, and that had no time limit, has ended as its processes do.
fn check_end(setting: &Setting, place: usize, id: &JobId, record: &Record, shared: &Shared) {
    let planned = &setting.jobs[place].run(record.runs).end;
    let well = match (&record.finish, planned) {
        (Some(Finish::Exited { code }), JobExit::Code(planned)) => code == planned,
        (Some(Finish::Signaled { signal }), JobExit::Signal(planned)) => signal == planned,
        // The machine's own processes may be killed.
        (Some(Finish::Signaled { signal }), _) => signal == "KILL" || signal == "TERM",
        (Some(Finish::NotStarted { .. }), planned) => *planned == JobExit::NotStarted,
        (Some(Finish::Cancelled { .. }), _) => true,
        (Some(Finish::Exited { .. }) | None, _) => false,
    };
    if !well {
        broken(
            shared,
            "invariant_honest_end",
            format!("{id} was to end with {planned:?}: {:?}", record.finish),
        );
    }
}

/// What is said to be all of a job's output is all that its run has written, byte by byte.
fn check_output(
    setting: &Setting,
    place: usize,
    id: &JobId,
    record: &Record,
    outputs: &OutputStore,
    shared: &Shared,
) {
    let exited = matches!(record.finish, Some(Finish::Exited { .. }));
    if record.output != OutputKept::Complete || !exited {
        return;
    }
    let planned = setting.jobs[place].run(record.runs);
    let run = RunId::new(id.clone(), record.runs);
    let number = id.as_str().rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0);
    for (stream, size) in [(OutputStream::Stdout, planned.stdout), (OutputStream::Stderr, planned.stderr)] {
        let path = outputs.file(number, record.runs, stream);
        let stored = std::fs::read(path).unwrap_or_default();
        let whole = stored == sim_output(&run, stream, 0..size);
        if !whole {
            let what =
                format!("{run} wrote {size} bytes of {stream}; {} are stored, or others", stored.len());
            broken(shared, "invariant_output", what);
        }
    }
}
