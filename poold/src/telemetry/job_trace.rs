//! A job's life as spans, each made when its stage has ended, from what is durable.

use super::{
    span::{Attribute, Attributes, Span, SpanId, TraceId, span_of},
    tracer::Tracer,
};
use crate::job::{Finish, HistoryEntry, JobRequest, JobState, Moment, OutputKept, Record};

/// When a job was queued for its present run: the last return into the queue that the history tells of. None: it was never given
/// to a worker before.
pub(crate) fn requeued_at(history: &[HistoryEntry]) -> Option<Moment> {
    let with_worker = |entry: &HistoryEntry| matches!(entry.state, JobState::Locked | JobState::Running);
    let mut returns = history.windows(2).rev().filter_map(|pair| match pair {
        [before, after] if with_worker(before) && after.state == JobState::Queued => Some(after.at),
        _ => None,
    });
    returns.next()
}

/// How a run left its worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left<'a> {
    pub(crate) record: &'a Record,
    /// One of a few words.
    pub(crate) outcome: &'static str,
    pub(crate) at: Moment,
    /// When its end was seen and its output began to be waited for; none: nothing was.
    pub(crate) end_seen: Option<Moment>,
}

/// The trace of one job.
#[derive(Debug)]
pub(crate) struct JobTrace<'a> {
    tracer: &'a Tracer,
    instance_set: &'a str,
    trace: TraceId,
    job: &'a str,
}

const GOOD: &str = "exit_zero";

impl<'a> JobTrace<'a> {
    /// None where it is not to be sent.
    pub(crate) fn of(tracer: &'a Tracer, job: &'a str) -> Option<Self> {
        let (instance_set, trace) = tracer.trace(job)?;
        Some(Self { tracer, instance_set, trace, job })
    }

    fn span(&self, name: &'static str, run: u32, parent: Option<SpanId>) -> Span {
        Span {
            trace: self.trace,
            id: self.id(name, run),
            parent,
            name,
            is_call: false,
            start: Moment::default(),
            end: Moment::default(),
            attributes: vec![("poold.job.id", self.job.into())],
            events: Vec::new(),
            failure: None,
        }
    }

    fn id(&self, name: &str, run: u32) -> SpanId {
        span_of(self.instance_set, self.job, name, run)
    }

    fn root(&self) -> SpanId {
        self.id("job", 0)
    }

    /// It has waited in the queue, for the run with this number or, cancelled, for none.
    pub(crate) fn waited(&self, run: u32, from: Moment, to: Moment) {
        let mut span = self.span("queued", run, Some(self.root()));
        (span.start, span.end) = (from, to);
        span.attributes.push(("poold.run", Attribute::Number(run.into())));
        self.tracer.emit(span);
    }

    /// A run has left its worker.
    pub(crate) fn ran(&self, left: Left<'_>) {
        let Left { record, outcome, at, end_seen } = left;
        let mut span = self.span("run", record.runs, Some(self.root()));
        (span.start, span.end) = (record.locked.unwrap_or(at), at);
        span.attributes.push(("poold.run", Attribute::Number(record.runs.into())));
        if let Some(worker) = &record.worker {
            span.attributes.extend([
                ("poold.instance.id", worker.instance.as_str().into()),
                ("poold.instance_type", worker.instance_type.as_str().into()),
                ("poold.preemptible", Attribute::Flag(worker.preemptible)),
            ]);
        }
        span.attributes.push(("poold.outcome", outcome.into()));
        span.events.extend(record.started.map(|started| (started, "started")));
        span.failure = (outcome != GOOD).then_some(outcome);
        let parent = span.id;
        self.tracer.emit(span);
        if let Some(end_seen) = end_seen {
            let mut span = self.span("collect output", record.runs, Some(parent));
            (span.start, span.end) = (end_seen, at);
            let sizes =
                [("poold.stdout.bytes", record.stdout_size), ("poold.stderr.bytes", record.stderr_size)];
            span.attributes.extend(sizes.map(|(name, size)| (name, number(size))));
            span.failure = (record.output == OutputKept::Incomplete).then_some("incomplete");
            self.tracer.emit(span);
        }
    }

    /// It is final.
    pub(crate) fn ended(
        &self,
        request: &JobRequest,
        submitted: Moment,
        record: &Record,
        outcome: &'static str,
        at: Moment,
    ) {
        let mut span = self.span("job", 0, None);
        (span.start, span.end) = (submitted, at);
        let attributes: Attributes = vec![
            ("poold.cpus", Attribute::Fraction(request.cpus.as_f64())),
            ("poold.memory.bytes", number(request.memory.0)),
            ("poold.scratch.bytes", number(request.scratch.0)),
            ("poold.gpus", Attribute::Number(request.gpus.into())),
            ("poold.priority", Attribute::Number(record.priority.into())),
            ("poold.runs", Attribute::Number(record.runs.into())),
            ("poold.outcome", outcome.into()),
        ];
        span.attributes.extend(attributes);
        span.attributes.extend(request.name.as_deref().map(|name| ("poold.job.name", name.into())));
        span.attributes.extend(request.group.as_ref().map(|group| ("poold.group", group.as_str().into())));
        match &record.finish {
            Some(Finish::Exited { code }) => {
                span.attributes.push(("process.exit.code", Attribute::Number((*code).into())));
            }
            Some(Finish::Signaled { signal }) => {
                span.attributes.push(("poold.signal", signal.as_str().into()));
            }
            _ => {}
        }
        span.failure = (outcome != GOOD).then_some(outcome);
        self.tracer.emit(span);
    }
}

fn number(value: u64) -> Attribute {
    Attribute::Number(i64::try_from(value).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{super::tracer::TracerMetrics, *};
    use tokio::sync::mpsc;

    fn entry(at: u64, state: JobState) -> HistoryEntry {
        HistoryEntry { at: Moment(at), state, detail: String::new() }
    }

    #[test]
    fn a_job_was_queued_last_when_it_last_left_a_worker() {
        use JobState::{Locked, Queued, Running};
        assert_eq!(requeued_at(&[entry(1, Queued), entry(2, Locked)]), None, "another priority is no return");
        let history =
            [entry(2, Locked), entry(3, Running), entry(4, Queued), entry(5, Queued), entry(6, Locked)];
        assert_eq!(requeued_at(&history), Some(Moment(4)));
    }

    #[test]
    fn a_trace_is_one_tree_and_holds_no_words_of_the_job_but_its_names() {
        let (sender, mut spans) = mpsc::channel(10);
        let tracer = Tracer::new("set", 1.0, sender, TracerMetrics::new("set").unwrap());
        let trace = JobTrace::of(&tracer, "abcde-1").unwrap();
        let mut request = JobRequest::new(["echo", "hunter2"]);
        request.environment.insert("PASSWORD".into(), "hunter2".into());
        request.labels.insert("note".into(), "hunter2".into());
        request.name = Some("nightly".into());
        let mut record = Record::new(100);
        record.runs = 1;
        (record.locked, record.started, record.ended) = (Some(Moment(2)), Some(Moment(3)), Some(Moment(5)));
        record.finish = Some(Finish::Cancelled { reason: "hunter2".into() });
        trace.waited(1, Moment(1), Moment(2));
        trace.ran(Left { record: &record, outcome: "cancelled", at: Moment(5), end_seen: Some(Moment(4)) });
        trace.ended(&request, Moment(1), &record, "cancelled", Moment(5));
        let spans: Vec<Span> = std::iter::from_fn(|| spans.try_recv().ok()).collect();
        let names: Vec<_> = spans.iter().map(|span| span.name).collect();
        assert_eq!(names, ["queued", "run", "collect output", "job"]);
        let root = &spans[3];
        assert_eq!(root.parent, None);
        assert!(spans.iter().all(|span| span.trace == root.trace && span.start <= span.end));
        assert_eq!([spans[0].parent, spans[1].parent], [Some(root.id); 2]);
        assert_eq!(spans[2].parent, Some(spans[1].id));
        assert_eq!(spans[1].events, [(Moment(3), "started")]);
        assert_eq!(root.failure, Some("cancelled"));
        let said = format!("{spans:?}");
        assert!(!said.contains("hunter2") && said.contains("nightly"), "{said}");
    }
}
