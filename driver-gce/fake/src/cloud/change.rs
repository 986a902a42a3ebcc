//! Changes of labels, metadata and tags: "You must always provide an up-to-date fingerprint hash in order to
//! update or change metadata, otherwise the request will fail with error 412 conditionNotMet",
//! <https://cloud.google.com/compute/docs/reference/rest/v1/instances/setMetadata>.

use super::{
    Cloud,
    instance::Instance,
    operation::{Effect, Failure, Starts},
};
use crate::{
    body::{labels, metadata, tags, text},
    http::ApiError,
};
use serde_json::Value;

/// "Labels fingerprint either invalid or resource labels have changed":
/// <https://github.com/googleapis/google-cloud-go/issues/7802>.
pub(super) const LABELS_CHANGED: &str = "Labels fingerprint either invalid or resource labels have changed";

/// <https://github.com/cloudfoundry/bosh-google-cpi-release/issues/159>, where the operation fails with it.
pub(super) const METADATA_CHANGED: &str = "Supplied fingerprint does not match current metadata fingerprint.";

pub(super) const TAGS_CHANGED: &str = "Supplied fingerprint does not match current tags fingerprint.";

impl Cloud {
    pub(super) fn set_labels(&mut self, zone: &str, instance: &str, body: &Value) -> Result<Value, ApiError> {
        let (name, id) = self.ready(zone, instance)?;
        let labels = labels(body, "resource")?;
        let fingerprint = given(body, "labelFingerprint")?;
        check(&fingerprint, self.instance(zone, &name)?.text("labelFingerprint"), LABELS_CHANGED)?;
        let effect = Effect::SetLabels { labels, fingerprint };
        self.start(Starts { kind: "setLabels", zone, instance: &name, id, effect, warnings: Vec::new() })
    }

    pub(super) fn set_metadata(
        &mut self,
        zone: &str,
        instance: &str,
        body: &Value,
    ) -> Result<Value, ApiError> {
        let (name, id) = self.ready(zone, instance)?;
        let items = metadata(body, "resource")?;
        let fingerprint = given(body, "fingerprint")?;
        check(&fingerprint, of(self.instance(zone, &name)?, "metadata"), METADATA_CHANGED)?;
        let effect = Effect::SetMetadata { items, fingerprint };
        self.start(Starts { kind: "setMetadata", zone, instance: &name, id, effect, warnings: Vec::new() })
    }

    pub(super) fn set_tags(&mut self, zone: &str, instance: &str, body: &Value) -> Result<Value, ApiError> {
        let (name, id) = self.ready(zone, instance)?;
        let items = tags(body, "resource")?;
        let fingerprint = given(body, "fingerprint")?;
        check(&fingerprint, of(self.instance(zone, &name)?, "tags"), TAGS_CHANGED)?;
        let effect = Effect::SetTags { items, fingerprint };
        self.start(Starts { kind: "setTags", zone, instance: &name, id, effect, warnings: Vec::new() })
    }
}

impl Instance {
    /// Makes a change, unless another one has come before it since its call.
    pub(super) fn change(&mut self, effect: Effect) -> Option<Failure> {
        let (fingerprint, current, message) = match &effect {
            Effect::SetLabels { fingerprint, .. } => {
                (fingerprint, self.text("labelFingerprint"), LABELS_CHANGED)
            }
            Effect::SetMetadata { fingerprint, .. } => (fingerprint, of(self, "metadata"), METADATA_CHANGED),
            Effect::SetTags { fingerprint, .. } => (fingerprint, of(self, "tags"), TAGS_CHANGED),
            Effect::Insert | Effect::Refuse(_) | Effect::Stop | Effect::Delete => return None,
        };
        if fingerprint != current {
            return Some(Failure::condition_not_met(message));
        }
        match effect {
            Effect::SetLabels { labels, .. } => self.set_labels(labels),
            Effect::SetMetadata { items, .. } => self.set_metadata(items),
            Effect::SetTags { items, .. } => self.set_tags(items),
            Effect::Insert | Effect::Refuse(_) | Effect::Stop | Effect::Delete => {}
        }
        None
    }
}

fn of<'a>(instance: &'a Instance, part: &str) -> &'a str {
    instance.resource[part]["fingerprint"].as_str().unwrap_or_default()
}

fn given(body: &Value, field: &str) -> Result<String, ApiError> {
    Ok(text(body, field, "resource")?.unwrap_or_default().to_owned())
}

/// A missing fingerprint is no better than a wrong one.
fn check(given: &str, current: &str, message: &str) -> Result<(), ApiError> {
    if given == current { Ok(()) } else { Err(ApiError::condition_not_met(message)) }
}
