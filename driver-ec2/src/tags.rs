//! The pool's tags and the driver's own.

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};
use pool_api::{InstanceSetId, Tags};

/// On volumes, spot requests and key pairs: whose they are, so that what is left behind can be found. (Instances are found by
/// the pool's tags.)
const SET: &str = "pool-driver-ec2:instance-set";

/// On a spot instance with an added scratch volume whose price is known: the volume's size. It is not shown to the pool.
pub(crate) const SCRATCH_GIB: &str = "pool-driver-ec2:scratch-gib";

/// These tags and the one that says whose the resource is.
pub(crate) fn with_set(tags: &Tags, set: &InstanceSetId) -> Tags {
    let mut tags = tags.clone();
    tags.set(SET, set.as_str());
    tags
}

/// Finds what [`with_set`] marks.
pub(crate) fn of_set(set: &InstanceSetId) -> Filter {
    filter(format!("tag:{SET}"), [escaped(set.as_str())])
}

/// A filter that finds resources with this tag.
pub(crate) fn tag_filter(name: &str, value: &str) -> Filter {
    filter(format!("tag:{name}"), [escaped(value)])
}

/// A filter: one of these values.
pub(crate) fn filter<V: Into<String>>(
    name: impl Into<String>,
    values: impl IntoIterator<Item = V>,
) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().map(Into::into).collect())).build()
}

/// Values of filters may hold wildcards, which a backslash takes their meaning from:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html#wildcards>.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '*' | '?' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// In the SDK's form.
pub(crate) fn to_sdk(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(name, value)| Tag::builder().key(name).value(value).build()).collect()
}

/// From the SDK's form.
pub(crate) fn from_sdk(tags: &[Tag]) -> Tags {
    tags.iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default())).collect()
}

/// The tags that a resource gets when it is made.
pub(crate) fn specification(resource: ResourceType, tags: &Tags) -> TagSpecification {
    TagSpecification::builder().resource_type(resource).set_tags(Some(to_sdk(tags))).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_s_value_stands_for_itself() {
        assert_eq!(escaped(r"a*b?c\d"), r"a\*b\?c\\d");
        assert_eq!(escaped("plain-1"), "plain-1");
    }

    #[test]
    fn tags_come_back_as_they_were_sent() {
        let tags: Tags = [("a", "1"), ("b", ""), ("ü / =", "x y")].into_iter().collect();
        assert_eq!(from_sdk(&to_sdk(&tags)), tags);
    }
}
