//! Where the pool's tags are kept on an instance.
//!
//! Labels of Compute Engine hold lower-case letters, digits, `-` and `_` alone, so that neither the names nor the values of
//! tags fit. The tags are therefore kept exactly, as one JSON object, in one item of the instance's metadata
//! ([`TAGS_KEY`]). Lists cannot be filtered by metadata: so an instance has a label too that says whose it is, in the
//! alphabet of labels ([`set_labels`]), by which Compute Engine filters; the tags themselves are compared here.

use google_cloud_compute_v1::model::{Metadata, metadata::Items};
use pool_api::{InstanceSetId, LabelCodec, LabelError, LabelLimits, Tags};
use std::collections::BTreeMap;

/// The item of the metadata that holds the tags.
pub(crate) const TAGS_KEY: &str = "pool-tags";

/// With what the driver's own labels begin.
pub(crate) const LABEL_PREFIX: &str = "pool-driver-gce";

/// The tag whose labels say whose an instance is.
const SET: &str = "set";

/// The labels of an instance set: one, or more where its id is longer than a label.
///
/// # Errors
/// None happens with an id that [`InstanceSetId`] lets through.
pub(crate) fn set_labels(set: &InstanceSetId) -> Result<BTreeMap<String, String>, LabelError> {
    let tags: Tags = [(SET, set.as_str())].into_iter().collect();
    LabelCodec::new(LABEL_PREFIX, LabelLimits::GCE)?.encode(&tags)
}

/// The filter that finds instances with all these labels:
/// <https://cloud.google.com/compute/docs/reference/rest/v1/instances/aggregatedList>, `filter`.
pub(crate) fn filter(labels: &BTreeMap<String, String>) -> String {
    let each = labels.iter().map(|(name, value)| format!("(labels.{name} = \"{value}\")"));
    each.collect::<Vec<_>>().join(" ")
}

/// The item that holds the tags.
pub(crate) fn to_item(tags: &Tags) -> Items {
    // Texts alone can always be written.
    let json = serde_json::to_string(tags).unwrap_or_default();
    Items::new().set_key(TAGS_KEY).set_value(json)
}

/// There are no tags where they should be: something else has written there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LostTags;

/// The tags that the metadata hold.
///
/// # Errors
/// [`LostTags`].
pub(crate) fn from_metadata(metadata: Option<&Metadata>) -> Result<Tags, LostTags> {
    let json = metadata.and_then(|metadata| value(metadata, TAGS_KEY)).ok_or(LostTags)?;
    serde_json::from_str(json).map_err(|_| LostTags)
}

/// The same metadata, guarded by the same fingerprint, with other tags.
pub(crate) fn replaced(mut metadata: Metadata, tags: &Tags) -> Metadata {
    metadata.items.retain(|item| item.key.as_deref() != Some(TAGS_KEY));
    metadata.items.push(to_item(tags));
    metadata
}

fn value<'a>(metadata: &'a Metadata, key: &str) -> Option<&'a str> {
    metadata.items.iter().find(|item| item.key.as_deref() == Some(key))?.value.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::btree_map, prelude::*};

    fn any_tags() -> impl Strategy<Value = Tags> {
        btree_map(any::<String>(), any::<String>(), 0..8).prop_map(|tags| tags.into_iter().collect())
    }

    /// As it comes back from the wire.
    fn sent(metadata: &Metadata) -> Metadata {
        serde_json::from_value(serde_json::to_value(metadata).unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn tags_come_back_as_they_were_written(first in any_tags(), second in any_tags()) {
            let other = Items::new().set_key("startup-script").set_value("#!/bin/sh\n");
            let metadata = Metadata::new().set_fingerprint("abc").set_items([other.clone(), to_item(&first)]);
            prop_assert_eq!(from_metadata(Some(&sent(&metadata))), Ok(first));
            let again = sent(&replaced(metadata, &second));
            prop_assert_eq!(from_metadata(Some(&again)), Ok(second));
            // What is not the driver's stays.
            prop_assert_eq!(again.items.len(), 2);
            prop_assert!(again.items.contains(&other));
            prop_assert_eq!(again.fingerprint.as_deref(), Some(b"abc".as_slice()));
        }

        #[test]
        fn two_sets_have_different_labels_and_every_set_has_some(
            a in "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
            b in "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        ) {
            if let (Ok(first), Ok(second)) = (InstanceSetId::new(&a), InstanceSetId::new(&b)) {
                let labels = set_labels(&first).unwrap();
                prop_assert!(!labels.is_empty());
                prop_assert_eq!(labels == set_labels(&second).unwrap(), a == b);
                for (name, value) in &labels {
                    prop_assert!(crate::limits::is_label_key(name) && crate::limits::is_label_value(value));
                }
            }
        }
    }

    #[test]
    fn a_set_is_found_by_a_label_that_people_can_read() {
        let labels = set_labels(&InstanceSetId::new("batch-1").unwrap()).unwrap();
        assert_eq!(filter(&labels), "(labels.pool-driver-gce-set = \"batch-1\")");
    }

    #[test]
    fn what_somebody_else_has_written_is_not_taken_for_tags() {
        let foreign = Metadata::new().set_items([Items::new().set_key(TAGS_KEY).set_value("no JSON")]);
        assert_eq!(from_metadata(Some(&foreign)), Err(LostTags));
        assert_eq!(from_metadata(Some(&Metadata::new())), Err(LostTags));
        assert_eq!(from_metadata(None), Err(LostTags));
    }
}
