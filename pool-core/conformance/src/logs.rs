//! Reads every log line of the run, of every crate and level.

use crate::secrets::Secrets;
use std::{fmt, fmt::Write as _, sync::Arc};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Searches every event and span for secrets from now on. Lines are not printed.
///
/// Does nothing if this process logs somewhere else already; says so with false.
pub(crate) fn watch(secrets: &Arc<Secrets>) -> bool {
    tracing_subscriber::registry().with(Watch(Arc::clone(secrets))).try_init().is_ok()
}

struct Watch(Arc<Secrets>);

impl<S: Subscriber> Layer<S> for Watch {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let metadata = event.metadata();
        self.0.search(&format!("a log line of {} ({})", metadata.target(), metadata.level()), &line.0);
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        let mut line = Line::default();
        attributes.record(&mut line);
        self.0.search(&format!("a log span of {}", attributes.metadata().target()), &line.0);
    }

    fn on_record(&self, _: &span::Id, values: &span::Record<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        values.record(&mut line);
        self.0.search("a log span", &line.0);
    }
}

/// The fields of an event, one after the other.
#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{}={value} ", field.name());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let _ = write!(self.0, "{}={} {value:?} ", field.name(), crate::stop::chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_events_and_spans_are_found() {
        let secrets = Arc::new(Secrets::default());
        secrets.add("correct-horse-battery");
        let subscriber = tracing_subscriber::registry().with(Watch(Arc::clone(&secrets)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(body = "init: correct-horse-battery", "request");
            let span =
                tracing::debug_span!("call", key = "correct-horse-battery", late = tracing::field::Empty);
            span.record("late", "correct-horse-battery");
            tracing::error!("all is well");
        });
        let finds = secrets.finds();
        assert_eq!(finds.len(), 3, "{finds:?}");
        assert!(finds[0].contains("(TRACE)") && finds[0].contains("body=init: [SECRET]"), "{finds:?}");
    }
}
