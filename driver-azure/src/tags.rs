//! The pool's tags in Azure's, and back.
//!
//! Azure keeps the case of a tag's name, but compares names without it; some characters and beginnings are not allowed
//! in them: <https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources>. So that people can
//! read them in the portal, names stay as they are, with three exceptions:
//!
//! - A character that cannot be where it is becomes `~` and its two hexadecimal digits (`a/b`: `a~2fb`), or, beyond
//!   U+00FF, `~u` and six of them. It is one of `<>%&\?/`, a control character, the `~` itself, white space at an end
//!   of the name (which might be trimmed), or the first of a name that begins as Azure's own or the driver's own do.
//! - Of names that differ in case alone the first, in the order of [`Tags`], stays; the next ends with `~~2`, then
//!   `~~3`.
//!
//! Values are kept as they are, with any character, control characters included: "All characters",
//! <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftresources>.
//!
//! A machine may have tags of others, by a policy for example. One whose name [`encode`] would not write is
//! [foreign](is_foreign): it is not the pool's, and whoever replaces the tags must carry it over as it is. So is the
//! driver's own. All others are taken for the pool's, which does no harm.

use crate::limits::{NOT_IN_TAG_NAMES, RESERVED_TAG_PREFIXES};
use pool_api::Tags;
use std::collections::BTreeMap;

/// With what the names of the driver's own tags begin, in lower case. No name of the pool's is written so.
pub(crate) const OWN_PREFIX: &str = "pool-driver-azure";

/// What stands before the digits of a character, and twice before the number of a name.
const ESCAPE: char = '~';

/// Characters of a name that the driver promises to keep.
pub(crate) const LONGEST_NAME: usize = 128;

/// The most UTF-16 units that a name of so many characters becomes, as .NET counts the length of a text.
///
/// A character is at most `~xx`, for none that needs more can be inside a name: at its two ends white space beyond
/// U+00FF is `~uxxxxxx`. Then comes a number, of at most two digits: there are fewer than 100 tags.
pub(crate) const fn longest_written(characters: usize) -> usize {
    3 * characters + 2 * (8 - 3) + 4
}

/// Azure's tags for the pool's. No two have the same name without case.
///
/// Azure's limits are kept where `tags` are within [`TAGS`](crate::limits::TAGS). The operator's tags, if any, are to
/// be among them, so that theirs and the pool's get different names too.
pub(crate) fn encode(tags: &Tags) -> BTreeMap<String, String> {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let named = tags.iter().map(|(name, value)| {
        let mut name = written(name);
        let number = numbers.entry(folded(&name)).or_default();
        *number += 1;
        if *number > 1 {
            name = format!("{name}{ESCAPE}{ESCAPE}{number}");
        }
        (name, value.to_owned())
    });
    named.collect()
}

/// The pool's tags of Azure's: whatever [`encode`] has made of tags comes back as they were. What is
/// [foreign](is_foreign) is left out.
pub(crate) fn decode<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> Tags {
    tags.filter_map(|(name, value)| Some((read(name)?, value))).collect()
}

/// Whether no tag of the pool's is ever written so.
pub(crate) fn is_foreign(name: &str) -> bool {
    read(name).is_none()
}

/// A name without its case: two that Azure takes for one are the same.
///
/// Not only ASCII, for it is not documented that Azure leaves other letters alone; and through both cases, so that
/// neither way to compare tells apart what is the same here. That some others are the same too (`ß` and `SS`) only
/// costs a number.
pub(crate) fn folded(name: &str) -> String {
    let lower = name.chars().flat_map(char::to_lowercase);
    lower.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// A name without a number.
fn written(name: &str) -> String {
    let starts = folded(name);
    let mut reserved = RESERVED_TAG_PREFIXES.iter().chain([&OWN_PREFIX]);
    let is_reserved = reserved.any(|prefix| starts.starts_with(prefix));
    let last = name.char_indices().next_back().map_or(0, |(last, _)| last);
    let mut out = String::with_capacity(name.len());
    for (index, c) in name.char_indices() {
        let at_an_end = index == 0 || index == last;
        let is_escaped = c == ESCAPE
            || c.is_control()
            || NOT_IN_TAG_NAMES.contains(&c)
            || at_an_end && c.is_whitespace()
            || index == 0 && is_reserved;
        match u32::from(c) {
            _ if !is_escaped => out.push(c),
            code @ ..=0xff => out.push_str(&format!("{ESCAPE}{code:02x}")),
            code => out.push_str(&format!("{ESCAPE}u{code:06x}")),
        }
    }
    out
}

/// What was written; none if it was not written here.
fn read(name: &str) -> Option<String> {
    let plain = match name.split_once("~~") {
        Some((plain, number)) => {
            let is_number = !number.starts_with('0') && number.parse().is_ok_and(|number: u8| number > 1);
            (is_number && number.bytes().all(|b| b.is_ascii_digit())).then_some(plain)?
        }
        None => name,
    };
    let mut out = String::with_capacity(plain.len());
    let mut rest = plain;
    while let Some((before, after)) = rest.split_once(ESCAPE) {
        out.push_str(before);
        let (digits, count) = after.strip_prefix('u').map_or((after, 2), |digits| (digits, 6));
        let code = u32::from_str_radix(digits.get(..count)?, 16).ok()?;
        out.push(char::from_u32(code)?);
        rest = &digits[count..];
    }
    out.push_str(rest);
    // Only one text of several that would be read alike is ours: `~2F` and `~41` are not.
    (!out.is_empty() && written(&out) == plain).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::TAGS;
    use proptest::{collection::btree_map, prelude::*};

    fn pairs(tags: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
        tags.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn one(name: &str) -> String {
        let tags = encode(&[(name, "v")].into_iter().collect());
        assert_eq!(decode(pairs(&tags)).get(name), Some("v"), "{tags:?}");
        tags.into_keys().next().unwrap()
    }

    /// What Azure says of one name.
    fn is_allowed(name: &str) -> bool {
        let folded = folded(name);
        (1..=512).contains(&name.encode_utf16().count())
            && name.trim() == name
            && !name.chars().any(|c| c.is_control() || NOT_IN_TAG_NAMES.contains(&c))
            && !RESERVED_TAG_PREFIXES.iter().any(|prefix| folded.starts_with(prefix))
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in [
            "pool-InstanceSetID",
            "pool-Host Key",
            "my:owner",
            "größe.1",
            "x_y=z",
            "my-azure",
            "microsof",
            "pool-driver",
        ] {
            assert_eq!(one(name), name);
        }
    }

    #[test]
    fn only_what_must_be_is_escaped() {
        let cases = [
            ("a/b", "a~2fb"),
            (r"<>%&\?/", "~3c~3e~25~26~5c~3f~2f"),
            ("~", "~7e"),
            ("a~2fb", "a~7e2fb"),
            ("a~~2", "a~7e~7e2"),
            ("a\nb\u{7f}\u{85}", "a~0ab~7f~85"),
            (" a b ", "~20a b~20"),
            (" ", "~20"),
            ("\u{3000}a\u{2028}", "~u003000a~u002028"),
            ("azure", "~61zure"),
            ("Microsoft.x", "~4dicrosoft.x"),
            ("WINDOWS/", "~57INDOWS~2f"),
            ("pool-driver-azure-set", "~70ool-driver-azure-set"),
        ];
        for (name, expected) in cases {
            assert_eq!(one(name), expected);
        }
    }

    #[test]
    fn names_that_differ_in_case_alone_are_numbered() {
        let tags: Tags = ["ID", "Id", "iD", "id", "other"].iter().map(|name| (*name, *name)).collect();
        let encoded = encode(&tags);
        let names: Vec<&str> = encoded.keys().map(String::as_str).collect();
        assert_eq!(names, ["ID", "Id~~2", "iD~~3", "id~~4", "other"]);
        assert_eq!(decode(pairs(&encoded)), tags);
        // Not of ASCII alone.
        let greek: Tags = ["Σ", "ς", "σ"].iter().map(|name| (*name, *name)).collect();
        assert_eq!(encode(&greek).len(), 3);
        assert_eq!(decode(pairs(&encode(&greek))), greek);
    }

    #[test]
    fn what_was_not_written_here_is_foreign() {
        let foreign = [
            "",
            "~",
            "a~",
            "a~2",
            "a~2F",
            "a~41",
            "a~zz",
            "a~+1",
            "a~u2f",
            "a~u00002f",
            "a~ud80000",
            "a~u11ffff",
            "a~é",
            "a~~",
            "a~~1",
            "a~~02",
            "a~~+2",
            "a~~2~~2",
            "a~~256",
            "~~2",
            "azure-x",
            "Windows",
            "pool-driver-azure-set",
            "POOL-DRIVER-AZURE-SET",
            " a",
            "a?",
        ];
        for name in foreign {
            assert!(is_foreign(name), "{name:?}");
            assert!(decode([(name, "v")].into_iter()).is_empty(), "{name:?}");
        }
        assert!(!is_foreign("CostCenter") && !is_foreign("a~2fb~~2"));
    }

    #[test]
    fn case_is_folded_whichever_way_azure_does_it() {
        for c in '\0'..=char::MAX {
            let same = folded(&c.to_string());
            for other in [c.to_uppercase().collect::<String>(), c.to_lowercase().collect()] {
                assert_eq!(folded(&other), same, "{c:?} and {other:?}");
            }
        }
    }

    /// Names that are likely to be taken for one another, or for what they are not.
    fn name() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("azure".to_owned()),
            Just("Microsoft".to_owned()),
            Just("windowS".to_owned()),
            Just("pool-driver-azure-set".to_owned()),
            Just("~~2".to_owned()),
            Just("~2f".to_owned()),
            Just("~u003000".to_owned()),
            "[<>%&?/\\\\~ \\n]{1,3}",
            "[aA]{1,2}",
            "[\u{e9}\u{c9}\u{df}\u{1e9e}\u{131}\u{130}\u{3a3}\u{3c3}\u{3c2}\u{212a}kK]{1,2}",
            any::<String>(),
        ];
        let parts = proptest::collection::vec(part, 1..4).prop_map(|parts| parts.concat());
        parts
            .prop_map(|name| name.chars().take(TAGS.name_length).collect::<String>())
            .prop_filter("a name", |name: &String| !name.is_empty())
    }

    fn any_tags() -> impl Strategy<Value = Tags> {
        btree_map(name(), any::<String>(), 0..16).prop_map(|tags| tags.into_iter().collect())
    }

    proptest! {
        #[test]
        fn tags_come_back_as_they_were(tags in any_tags()) {
            let encoded = encode(&tags);
            prop_assert_eq!(encoded.len(), tags.len());
            for name in encoded.keys() {
                prop_assert!(is_allowed(name), "{:?}", name);
                prop_assert!(!folded(name).starts_with(OWN_PREFIX));
            }
            let names: std::collections::BTreeSet<String> = encoded.keys().map(|name| folded(name)).collect();
            prop_assert_eq!(names.len(), encoded.len());
            prop_assert_eq!(&decode(pairs(&encoded)), &tags);
            // Also beside what is not the pool's.
            let mut more = encoded;
            more.insert("pool-driver-azure-set".to_owned(), "batch-1".to_owned());
            more.insert("azure-policy".to_owned(), String::new());
            prop_assert_eq!(decode(pairs(&more)), tags);
        }

        #[test]
        fn what_is_read_was_written(name in prop_oneof![name(), "[a~u2f0 ]{0,12}"]) {
            if let Some(text) = read(&name) {
                prop_assert_eq!(name.split_once("~~").map_or(name.as_str(), |(plain, _)| plain), written(&text));
            }
        }

        #[test]
        fn the_longest_names_fit(c in any::<char>(), end in "[\u{3000} /~a]") {
            let name = format!("{end}{}{end}", c.to_string().repeat(TAGS.name_length - 2));
            // As many in one case as there can be tags.
            let longest = written(&name).encode_utf16().count() + "~~49".len();
            prop_assert!(longest <= longest_written(TAGS.name_length), "{}", longest);
        }
    }
}
