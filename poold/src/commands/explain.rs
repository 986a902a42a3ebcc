//! `poold job` and `poold explain`.

use super::{
    failure::{Failure, OK},
    harmless::harmless_line,
    place::Place,
    print::{ago, command_line, duration, resources},
};
use crate::{
    api::{Explanation, JobDetail, JobRow},
    client::Client,
    job::{HistoryEntry, JobKey, Moment},
};
use clap::Args;
use pool_core::ByteSize;
use std::time::Duration;

#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes: 0 it was printed; 1 there is no such job, or it did not work; 2 the command line makes no sense; 3 poold serve does \
not run.")]
pub(crate) struct JobArguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Id or number
    job: JobKey,
}

impl JobArguments {
    pub(crate) async fn run(self, client: Client) -> Result<u8, Failure> {
        let detail = client.job(&self.job).await?;
        if self.place.json {
            self.place.console.print_json(&detail)?;
        } else {
            self.place.console.print(describe(&detail, Moment::now()))?;
        }
        Ok(OK)
    }
}

#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes: 0 it was printed; 1 there is no such job, or it did not work; 2 the command line makes no sense; 3 poold serve does \
not run.")]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Id or number
    job: JobKey,
}

impl ExplainArguments {
    pub(crate) async fn run(self, client: Client) -> Result<u8, Failure> {
        let explanation = client.explain(&self.job).await?;
        if self.place.json {
            self.place.console.print_json(&explanation)?;
            return Ok(OK);
        }
        let mut text = Lines::default();
        let job = &explanation.job;
        text.add("job", title(job));
        text.add("state", job.state);
        text.why(&explanation);
        text.history(&explanation.history);
        self.place.console.print(text.0)?;
        Ok(OK)
    }
}

fn title(job: &JobRow) -> String {
    job.name.as_ref().map_or_else(|| job.id.to_string(), |name| format!("{} {name}", job.id))
}

/// Lines of a name and a value, harmless.
#[derive(Debug, Default)]
pub(super) struct Lines(pub(super) String);

const NAME_WIDTH: usize = 13;

impl Lines {
    #[expect(clippy::needless_pass_by_value, reason = "what is given is mostly made for it")]
    pub(super) fn add(&mut self, name: &str, value: impl ToString) {
        let value = harmless_line(&value.to_string());
        self.0.push_str(&format!("{:NAME_WIDTH$} {value}\n", format!("{name}:")));
    }

    pub(super) fn some(&mut self, name: &str, value: Option<&impl ToString>) {
        if let Some(value) = value {
            self.add(name, value.to_string());
        }
    }

    fn why(&mut self, explanation: &Explanation) {
        self.add("because", format!("{} ({})", explanation.text, explanation.reason));
        self.some("to help it", explanation.remedy.as_ref());
        if let Some(ahead) = explanation.ahead {
            let more = if explanation.ahead_is_at_least { "more than " } else { "" };
            self.add("before it in the queue", format!("{more}{ahead}"));
        }
    }

    fn history(&mut self, history: &[HistoryEntry]) {
        self.0.push_str("history:\n");
        for entry in history {
            let line = format!("{}  {:9}  {}", entry.at, entry.state, entry.detail);
            self.0.push_str(&format!("  {}\n", harmless_line(&line)));
        }
    }
}

/// Why it waits, and all else about it.
pub(super) fn describe_all(explanation: Explanation, now: Moment) -> String {
    let mut text = Lines::default();
    text.why(&explanation);
    let Explanation { job, history, .. } = explanation;
    text.0.push_str(&describe(&JobDetail { job, history }, now));
    text.0
}

fn describe(detail: &JobDetail, now: Moment) -> String {
    let job = &detail.job;
    let mut text = Lines::default();
    text.add("id", &job.id);
    text.some("name", job.name.as_ref());
    text.some("group", job.group.as_ref());
    let labels: Vec<String> = job.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    text.some("labels", (!labels.is_empty()).then(|| labels.join(", ")).as_ref());
    text.add("state", job.state);
    text.some("exit code", job.exit_code.as_ref());
    text.some("signal", job.signal.as_ref());
    text.some("reason", job.reason.as_ref());
    text.add("command", command_line(&job.command));
    text.add("reserves", resources(&job.resources));
    text.add("preemptible", if job.preemptible { "yes" } else { "no" });
    text.add("priority", job.priority);
    text.add("attempts", format!("{} ({} runs, {} preemptions)", job.attempts, job.runs, job.preemptions));
    text.some("instance", job.instance.as_ref());
    text.some("type", job.instance_type.as_ref());
    let times = [
        ("submitted", Some(job.submitted_at)),
        ("locked", job.locked_at),
        ("started", job.started_at),
        ("ended", job.ended_at),
    ];
    for (name, time) in times {
        text.some(name, time.map(|time| format!("{time} ({})", ago(time, now))).as_ref());
    }
    text.some("took", took(job, now).map(duration).as_ref());
    let kept = match job.output {
        crate::job::OutputKept::None => "",
        crate::job::OutputKept::Complete => ", complete",
        crate::job::OutputKept::Incomplete => ", incomplete: the worker was lost",
    };
    let (stdout, stderr) = (ByteSize(job.stdout_size), ByteSize(job.stderr_size));
    text.add("output", format!("{stdout} standard output, {stderr} standard error{kept}"));
    text.some("peak memory", job.peak_memory.map(ByteSize).as_ref());
    text.some("CPU time", job.cpu_time_ms.map(Duration::from_millis).map(duration).as_ref());
    text.history(&detail.history);
    text.0
}

/// How long its present or last run has taken.
pub(super) fn took(job: &JobRow, now: Moment) -> Option<Duration> {
    job.started_at.map(|started| job.ended_at.unwrap_or(now).since(started))
}
