//! Tags of any text in the narrow labels that some providers have instead.

use crate::Tags;
use std::collections::BTreeMap;

/// What a provider's labels can hold. Their characters are always lower-case letters, digits, `-` and `_`, and a name
/// begins with a letter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LabelLimits {
    /// How many on one instance, those of others included.
    pub count: usize,
    /// Longest name, in characters.
    pub name_length: usize,
    /// Longest value, in characters.
    pub value_length: usize,
}

impl LabelLimits {
    /// Google Compute Engine: "Each resource can have up to 64 labels. Each label must be a key-value pair. Keys have a
    /// minimum length of 1 character and a maximum length of 63 characters ... Values can be empty, and have a maximum
    /// length of 63 characters." <https://cloud.google.com/compute/docs/labeling-resources#requirements>
    pub const GCE: Self = Self { count: 64, name_length: 63, value_length: 63 };
}

/// Tags that do not fit into labels, or a codec that cannot be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// The prefix or the limits are of no use.
    #[error("labels cannot begin with {prefix:?}: {problem}")]
    Prefix {
        /// What was given.
        prefix: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// One tag needs more labels than can be counted.
    #[error("the tag {name:?} needs {labels} labels, and one tag can have {most} at most: shorten its value")]
    TagTooLong {
        /// The tag's name, cut to 80 characters.
        name: String,
        /// How many it needs.
        labels: usize,
        /// How many it can have.
        most: usize,
    },
    /// All together need more labels than the provider has.
    #[error("the tags need {labels} labels, and the provider has {most}: use fewer or shorter tags")]
    TooMany {
        /// How many they need.
        labels: usize,
        /// How many there are.
        most: usize,
    },
    /// Two long names cannot be told apart. By chance this does not happen.
    #[error("the tags {first:?} and {second:?} would get the same label: rename one of them")]
    SameLabel {
        /// One name, cut to 80 characters.
        first: String,
        /// The other, cut to 80 characters.
        second: String,
    },
}

/// Puts tags of any text into narrow labels, and gets them back exactly.
///
/// Lower-case letters, digits and `-` stay as they are, so that people can read most labels in the provider's console. A
/// value that is too long goes on in further labels.
///
/// The labels of a tag depend on that tag alone: an instance has all tags of a filter exactly when it has all labels of
/// the encoded filter. So the provider can do the filtering.
///
/// To change tags, replace **all** labels that are [ours](Self::is_ours): a shorter value has fewer of them.
///
/// ```
/// use pool_api::{LabelCodec, LabelLimits, Tags};
///
/// let codec = LabelCodec::new("pool", LabelLimits::GCE)?;
/// let tags: Tags = [("InstanceType", "small"), ("Zone", "A/1")].into_iter().collect();
/// let labels = codec.encode(&tags)?;
/// assert_eq!(labels["pool-_instance_type"], "small");
/// assert_eq!(labels["pool-_zone"], "_a_31");
/// assert_eq!(codec.decode(labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))), tags);
/// # Ok::<(), pool_api::LabelError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LabelCodec {
    prefix: String,
    limits: LabelLimits,
}

/// Digits that number the labels of one tag.
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// The most labels of one tag: the highest digit.
const MOST_PARTS: usize = DIGITS.len() - 1;
/// Longest prefix, in characters, so that enough is left of 63 for names.
const LONGEST_PREFIX: usize = 20;
/// Number, count and separator behind the prefix.
const NUMBERING: usize = 3;
/// Base-36 digits of a 64-bit number.
const HASH_DIGITS: usize = 13;
/// Least room for a value: a longest escape, so that labels are not many for nothing.
const SHORTEST_VALUE: usize = 16;

/// What is often in names and values of tags, for `_0` to `_8`. `_9` separates a long name from the value.
const FREQUENT: [char; 9] = [' ', '.', ':', '/', '+', '=', '@', ',', '#'];
const SEPARATOR: &str = "_9";

impl LabelCodec {
    /// A codec whose labels begin with `prefix`, by which they are known from those of others.
    ///
    /// # Errors
    /// [`LabelError::Prefix`] when the prefix is not 1 to 20 lower-case letters, digits and `-` that begin with a letter,
    /// or the limits leave no room.
    pub fn new(prefix: &str, limits: LabelLimits) -> Result<Self, LabelError> {
        let wrong = |problem| Err(LabelError::Prefix { prefix: prefix.chars().take(80).collect(), problem });
        if !prefix.starts_with(|c: char| c.is_ascii_lowercase())
            || !prefix.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        {
            return wrong("use lower-case letters, digits and -, a letter first");
        }
        if prefix.len() > LONGEST_PREFIX {
            return wrong("it is longer than 20 characters");
        }
        if limits.name_length < prefix.len() + NUMBERING + HASH_DIGITS || limits.value_length < SHORTEST_VALUE
        {
            return wrong("the provider's labels are too short for it");
        }
        Ok(Self { prefix: prefix.to_owned(), limits })
    }

    /// The labels of tags, or of a filter.
    ///
    /// # Errors
    /// [`LabelError`] when they do not fit.
    pub fn encode(&self, tags: &Tags) -> Result<BTreeMap<String, String>, LabelError> {
        let cut = |name: &str| name.chars().take(80).collect::<String>();
        let mut labels = BTreeMap::new();
        let mut heads: BTreeMap<String, &str> = BTreeMap::new();
        for (name, value) in tags.iter() {
            let (head, text) = self.head_and_text(name, value);
            if let Some(first) = heads.insert(head.clone(), name) {
                return Err(LabelError::SameLabel { first: cut(first), second: cut(name) });
            }
            // All characters are ASCII.
            let parts = text.len().div_ceil(self.limits.value_length).max(1);
            if parts > MOST_PARTS {
                return Err(LabelError::TagTooLong { name: cut(name), labels: parts, most: MOST_PARTS });
            }
            for part in 0..parts {
                let rest = &text[part * self.limits.value_length..];
                let value = &rest[..rest.len().min(self.limits.value_length)];
                labels.insert(self.label_name(&head, part, parts), value.to_owned());
            }
        }
        if labels.len() > self.limits.count {
            return Err(LabelError::TooMany { labels: labels.len(), most: self.limits.count });
        }
        Ok(labels)
    }

    /// The tags of labels. What is not ours, and a tag of which a label is missing, is left out.
    pub fn decode<'a>(&self, labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Tags {
        let mut found: BTreeMap<(usize, &str), BTreeMap<usize, &str>> = BTreeMap::new();
        for (name, value) in labels {
            if let Some((head, part, parts)) = self.parse(name) {
                found.entry((parts, head)).or_default().insert(part, value);
            }
        }
        let whole = found.into_iter().filter(|((parts, _), values)| values.len() == *parts);
        whole
            .filter_map(|((_, head), values)| {
                let text = values.into_values().collect::<String>();
                let tag = if let Some(name) = head.strip_prefix('-') {
                    (unescape(name)?, unescape(&text)?)
                } else {
                    let (name, value) = split(&text)?;
                    (unescape(name)?, unescape(value)?)
                };
                Some(tag)
            })
            .collect()
    }

    /// Whether a label is one of this codec's.
    pub fn is_ours(&self, label_name: &str) -> bool {
        self.parse(label_name).is_some()
    }

    /// What names the labels of a tag, with the separator before it, and the text to spread over their values: the value
    /// behind `-` and the name; name and value behind `_` and a hash, where the name is too long.
    fn head_and_text(&self, name: &str, value: &str) -> (String, String) {
        let (escaped, text) = (escape(name), escape(value));
        if self.prefix.len() + NUMBERING + escaped.len() <= self.limits.name_length {
            (format!("-{escaped}"), text)
        } else {
            (format!("_{}", hash(name)), format!("{escaped}{SEPARATOR}{text}"))
        }
    }

    fn label_name(&self, head: &str, part: usize, parts: usize) -> String {
        if parts == 1 {
            return format!("{}{head}", self.prefix);
        }
        let digit = |number: usize| char::from(DIGITS[number]);
        format!("{}{}{}{head}", self.prefix, digit(part + 1), digit(parts))
    }

    /// What names the labels of the tag, which of them this is from 0, and how many there are.
    fn parse<'a>(&self, label_name: &'a str) -> Option<(&'a str, usize, usize)> {
        let rest = label_name.strip_prefix(&self.prefix)?;
        if rest.starts_with(['-', '_']) {
            return Some((rest, 0, 1));
        }
        let digit = |at: usize| DIGITS.iter().position(|digit| Some(digit) == rest.as_bytes().get(at));
        let (number, parts) = (digit(0)?, digit(1)?);
        let head = rest.get(2..)?;
        let sound = head.starts_with(['-', '_']) && parts >= 2 && (1..=parts).contains(&number);
        sound.then(|| (head, number - 1, parts))
    }
}

/// In the alphabet of labels. Each character becomes what no other does, and no part of another.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            'a'..='z' | '0'..='9' | '-' => escaped.push(c),
            'A'..='Z' => escaped.extend(['_', c.to_ascii_lowercase()]),
            '_' => escaped.push_str("__"),
            _ => match FREQUENT.iter().position(|frequent| *frequent == c) {
                Some(at) => escaped.push_str(&format!("_{at}")),
                None => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        escaped.push_str(&format!("_-{byte:02x}"));
                    }
                }
            },
        }
    }
    escaped
}

/// None for what [`escape`] does not make.
fn unescape(escaped: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'_' {
            bytes.push(byte);
            continue;
        }
        match rest.next()? {
            letter @ b'a'..=b'z' => bytes.push(letter.to_ascii_uppercase()),
            b'_' => bytes.push(b'_'),
            b'-' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let byte = 16 * digit()? + digit()?;
                bytes.push(u8::try_from(byte).ok()?);
            }
            digit @ b'0'..=b'8' => {
                let frequent = FREQUENT[usize::from(digit - b'0')];
                bytes.extend(frequent.encode_utf8(&mut [0; 4]).bytes());
            }
            _ => return None,
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    // Others' labels may look like ours; what would be written in another way is not.
    (escape(&text) == escaped).then_some(text)
}

/// At the separator, which is where an escape begins: `__9` is a `_` and a 9.
fn split(text: &str) -> Option<(&str, &str)> {
    let mut at = 0;
    while at < text.len() {
        if text.get(at..)?.starts_with(SEPARATOR) {
            return Some((text.get(..at)?, text.get(at + SEPARATOR.len()..)?));
        }
        at += if text.as_bytes()[at] == b'_' { 2 } else { 1 };
    }
    None
}

/// 64 bits of FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>) in base 36. It need not withstand anybody: two names
/// with the same hash are an error.
fn hash(name: &str) -> String {
    let mut hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut digits = [b'0'; HASH_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(hash % 36) as usize];
        hash /= 36;
    }
    digits.map(char::from).iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::btree_map, prelude::*};

    fn codec() -> LabelCodec {
        LabelCodec::new("pool", LabelLimits::GCE).unwrap()
    }

    fn decoded(labels: &BTreeMap<String, String>) -> Tags {
        codec().decode(labels.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().copied().collect()
    }

    /// Texts of every kind, long and short, and those that could be mistaken for what the codec makes.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[A-Za-z0-9_-]{0,20}", "[_09a-]{0,12}", any::<String>(), "[ -~]{60,200}", "\\PC{0,40}",]
    }

    /// Few enough to fit, most of the time.
    fn any_tags() -> impl Strategy<Value = Tags> {
        btree_map(text(), text(), 0..6).prop_map(|tags| tags.into_iter().collect())
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_exactly(tags in any_tags()) {
            if let Ok(labels) = codec().encode(&tags) {
                prop_assert_eq!(decoded(&labels), tags);
            }
        }

        #[test]
        fn labels_keep_the_providers_rules(tags in any_tags()) {
            if let Ok(labels) = codec().encode(&tags) {
                prop_assert!(labels.len() <= 64);
                for (name, value) in &labels {
                    let narrow = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
                    prop_assert!(name.len() <= 63 && value.len() <= 63, "{name} {value}");
                    prop_assert!(name.starts_with("pool") && name.chars().all(narrow) && value.chars().all(narrow));
                    prop_assert!(codec().is_ours(name));
                }
            }
        }

        #[test]
        fn the_provider_can_filter(
            tags in any_tags(),
            other in any_tags(),
            kept in any::<u64>(),
        ) {
            // A filter that is a part of the tags, and one that has nothing to do with them.
            let part: Tags = tags.iter().enumerate().filter(|(at, _)| kept >> at & 1 == 1).map(|(_, tag)| tag).collect();
            // And one with the same names.
            let renamed: Tags = tags.iter().zip(other.iter()).map(|((name, _), (_, value))| (name, value)).collect();
            for filter in [part, other, renamed] {
                if let (Ok(labels), Ok(wanted)) = (codec().encode(&tags), codec().encode(&filter)) {
                    let has_all = wanted.iter().all(|(name, value)| labels.get(name) == Some(value));
                    prop_assert_eq!(has_all, tags.matches(&filter));
                }
            }
        }

        #[test]
        fn others_labels_are_left_alone(tags in any_tags(), others in btree_map("[a-o][a-z0-9_-]{0,20}", "[a-z0-9_-]{0,63}", 0..5)) {
            if let Ok(mut labels) = codec().encode(&tags) {
                labels.extend(others);
                prop_assert_eq!(decoded(&labels), tags);
            }
        }

        #[test]
        fn whatever_the_labels_are_nothing_breaks(labels in btree_map("pool[a-z0-9_-]{0,12}", "[a-z0-9_-]{0,20}", 0..8)) {
            // What is understood is what would be written.
            let tags = decoded(&labels);
            let again = codec().encode(&tags).unwrap();
            prop_assert_eq!(decoded(&again), tags);
        }

        #[test]
        fn a_tag_that_lacks_a_label_is_left_out(name in "[a-z]{1,10}", value in "[a-z]{64,300}", at in any::<prop::sample::Index>()) {
            let mut labels = codec().encode(&tags(&[(name.as_str(), value.as_str()), ("other", "1")])).unwrap();
            let ours: Vec<String> = labels.keys().filter(|label| !label.ends_with("-other")).cloned().collect();
            labels.remove(at.get(&ours));
            prop_assert_eq!(decoded(&labels), tags(&[("other", "1")]));
        }
    }

    #[test]
    fn labels_can_be_read_by_people() {
        let fingerprint = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
        let labels = codec()
            .encode(&tags(&[("InstanceSetID", "batch-1"), ("Host", fingerprint), ("Empty", "")]))
            .unwrap();
        let shown: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            shown,
            [
                "pool-_empty=",
                "pool-_instance_set_i_d=batch-1",
                "pool12-_host=_s_h_a256_247_d_e_qpj8_h_b_sa_4_3_t_im_w_45_j_ceu_qe_rkm5_n_mp_",
                "pool22-_host=j_w_z_g3h_su_f_u",
            ]
        );
    }

    #[test]
    fn the_pools_own_tags_fit_with_room_for_more() {
        let own: Vec<(String, String)> =
            (0..16).map(|at| (format!("PoolInstanceTag{at}"), "E3b0".repeat(32))).collect();
        let labels = codec().encode(&own.into_iter().collect()).unwrap();
        assert!(labels.len() <= 48, "{}", labels.len());
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_name() {
        let too_long = codec().encode(&tags(&[("Big", &"x".repeat(63 * 35 + 1))])).unwrap_err();
        assert_eq!(
            too_long.to_string(),
            "the tag \"Big\" needs 36 labels, and one tag can have 35 at most: shorten its value"
        );
        assert!(codec().encode(&tags(&[("Big", &"x".repeat(63 * 35))])).is_ok());
        let many: Tags = (0..65).map(|at| (format!("{at}"), "")).collect();
        assert_eq!(codec().encode(&many).unwrap_err(), LabelError::TooMany { labels: 65, most: 64 });
    }

    #[test]
    fn a_prefix_that_cannot_be_is_refused() {
        let tight = LabelLimits { name_length: 19, ..LabelLimits::GCE };
        for (prefix, limits) in [
            ("", LabelLimits::GCE),
            ("1a", LabelLimits::GCE),
            ("Pool", LabelLimits::GCE),
            ("p_", LabelLimits::GCE),
            ("pool", tight),
        ] {
            assert!(matches!(LabelCodec::new(prefix, limits), Err(LabelError::Prefix { .. })), "{prefix:?}");
        }
        assert!(LabelCodec::new("a23456789012345678901", LabelLimits::GCE).is_err());
    }
}
