//! What came of it, for people.

use super::answer::{Answer, Limit, OverTime, StillWaiting};
use crate::commands::{duration, harmless_line, table};
use comfy_table::Table;
use std::{fmt::Write as _, time::Duration};

/// Reasons that are told one by one.
const MOST_LIMITS: usize = 8;
/// Smaller shares than this are told together.
const LEAST_SHARE: f64 = 0.005;
/// Longest bar, in characters.
const BAR: usize = 30;

impl Answer {
    /// For people.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for remark in &self.remarks {
            line(&mut out, "note", remark);
        }
        self.given(&mut out);
        out.push('\n');
        self.figures(&mut out);
        if !self.types.is_empty() {
            out.push('\n');
            self.types(&mut out);
        }
        if !self.over_time.rows.is_empty() {
            out.push('\n');
            over_time(&mut out, &self.over_time);
        }
        out.push('\n');
        limits(&mut out, &self.limited_by);
        if !self.complete {
            out.push('\n');
            self.unfinished(&mut out);
        }
        out
    }

    fn given(&self, out: &mut String) {
        let given = &self.given;
        let most = match given.max_instances {
            0 => "any number of instances".to_owned(),
            most => format!("at most {most} instances"),
        };
        line(out, "configuration", &format!("{}, {most}", given.config));
        line(out, "jobs", &format!("{} of {}", self.jobs, given.jobs));
        let faults = if given.has_faults { "with faults" } else { "no faults" };
        let boots = duration(given.boot_time);
        line(
            out,
            "provider",
            &format!("boots in {boots}, {faults} ({}), seed {}", given.provider, given.seed),
        );
    }

    fn figures(&self, out: &mut String) {
        match self.makespan {
            Some(makespan) => {
                line(
                    out,
                    "makespan",
                    &format!("{} from the first submission to the last end", duration(makespan)),
                );
            }
            None => line(out, "makespan", "no job has ended"),
        }
        let outcomes: Vec<String> =
            self.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        line(out, "outcomes", &outcomes.join(", "));
        if self.jobs_run_again > 0 {
            line(out, "run again", &format!("{} jobs, for their worker was lost", self.jobs_run_again));
        }
        if let Some(waited) = &self.waited {
            let (median, p95, longest) =
                (duration(waited.median), duration(waited.p95), duration(waited.longest));
            line(out, "waited", &format!("median {median}, 95th percentile {p95}, longest {longest}"));
        }
        let instances = &self.instances;
        let mut text = format!(
            "{} created, {} at once at most, {:.1} instance-hours",
            instances.created, instances.most_at_once, instances.hours
        );
        if let Some(share) = instances.share_with_a_job {
            let _ = write!(text, ", {} of them with a job", percent(share));
        }
        if instances.left_at_the_end > 0 {
            let _ = write!(text, "; {} left at the end", instances.left_at_the_end);
        }
        line(out, "instances", &text);
        line(out, "cost", &format!("{} (price times lifetime; not a bill)", money(self.cost)));
    }

    fn types(&self, out: &mut String) {
        let mut table = table(&[
            "type",
            ">price/h",
            ">created",
            ">at once",
            ">job runs",
            ">hours",
            ">with a job",
            ">cost",
        ]);
        for of in &self.types {
            table.add_row([
                of.name.clone(),
                of.price_per_hour.to_string(),
                of.created.to_string(),
                of.most_at_once.to_string(),
                of.runs.to_string(),
                format!("{:.1}", of.hours),
                of.share_with_a_job.map_or_else(|| "-".to_owned(), percent),
                money(of.cost),
            ]);
        }
        push_table(out, &table);
    }

    fn unfinished(&self, out: &mut String) {
        if self.time_was_over {
            let _ = writeln!(out, "NOT FINISHED: it was ended after {} (--until)", duration(self.end));
        } else {
            out.push_str("NOT FINISHED: nothing would happen any more\n");
        }
        for waiting in &self.still_waiting {
            let StillWaiting { jobs, reason, text, remedy, first } = waiting;
            let _ = writeln!(out, "  {jobs} jobs wait (first: {}): {reason}: {text}", harmless_line(first));
            remedy_line(out, "    ", remedy.as_ref());
        }
    }
}

fn line(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "{:14} {}", format!("{name}:"), harmless_line(value));
}

fn remedy_line(out: &mut String, indent: &str, remedy: Option<&String>) {
    if let Some(remedy) = remedy {
        let _ = writeln!(out, "{indent}to help it: {remedy}");
    }
}

fn over_time(out: &mut String, over_time: &OverTime) {
    let _ = writeln!(
        out,
        "over time, averages of {} each (█ instances with a job, ░ without)",
        duration(over_time.step)
    );
    let most = over_time.rows.iter().map(|row| row.instances).fold(0.0, f64::max);
    let mut table =
        table(&[">from", ">instances", ">with a job", ">jobs running", ">waiting", ">price/h", ""]);
    for row in &over_time.rows {
        table.add_row([
            from(row.from),
            number(row.instances),
            number(row.instances_with_a_job),
            number(row.jobs_running),
            number(row.jobs_waiting),
            money(row.price_per_hour),
            bar(row.instances_with_a_job, row.instances, most),
        ]);
    }
    push_table(out, &table);
}

fn from(time: Duration) -> String {
    if time.is_zero() { "0s".to_owned() } else { duration(time) }
}

/// With as many digits as say something.
fn number(value: f64) -> String {
    if value == 0.0 || value >= 99.95 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn money(value: f64) -> String {
    if value == 0.0 || value >= 10.0 { format!("{value:.2}") } else { format!("{value:.4}") }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn bar(part: f64, whole: f64, most: f64) -> String {
    if most <= 0.0 {
        return String::new();
    }
    let cells = |value: f64| (value / most * BAR as f64).round() as usize;
    let (part, whole) = (cells(part), cells(whole));
    format!("{}{}", "█".repeat(part), "░".repeat(whole.saturating_sub(part)))
}

fn limits(out: &mut String, limits: &[Limit]) {
    if limits.is_empty() {
        out.push_str("nothing limited it: no job waited\n");
        return;
    }
    out.push_str("what limited it, in hours that jobs have waited (all jobs together)\n");
    let told = limits.iter().take(MOST_LIMITS).take_while(|limit| limit.share >= LEAST_SHARE).count();
    let (told, rest) = limits.split_at(told);
    for Limit { reason, text, remedy, job_hours, share } in told {
        let _ = writeln!(out, "  {job_hours:10.2}  {:>5}  {reason}: {text}", percent(*share));
        remedy_line(out, &" ".repeat(21), remedy.as_ref());
    }
    if !rest.is_empty() {
        let sum: f64 = rest.iter().map(|limit| limit.job_hours).sum();
        let share: f64 = rest.iter().map(|limit| limit.share).sum();
        let _ =
            writeln!(out, "  {sum:10.2}  {:>5}  {} other reasons: see --json", percent(share), rest.len());
    }
}

fn push_table(out: &mut String, table: &Table) {
    for row in table.lines() {
        out.push_str(row.trim_end());
        out.push('\n');
    }
}
