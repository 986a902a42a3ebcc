//! Texts of others, made harmless for a terminal: what would steer it is shown instead of done.

/// Whether a terminal does something else with it than to show it, or shows what stands around it elsewhere.
fn steers(c: char) -> bool {
    matches!(c,
        // C0, DEL, C1.
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        // Marks, embeddings, overrides and isolates of the writing direction (UAX #9).
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // Line and paragraph separator.
        | '\u{2028}' | '\u{2029}'
        // Invisible: byte order mark, annotations, tags.
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn push_visible(text: &mut String, c: char) {
    let code = u32::from(c);
    match c {
        '\r' => text.push_str("\\r"),
        '\n' => text.push_str("\\n"),
        '\t' => text.push_str("\\t"),
        _ if code < 0x80 => text.push_str(&format!("\\x{code:02x}")),
        _ => text.push_str(&format!("\\u{{{code:x}}}")),
    }
}

/// Of one line: a name, a command, a reason.
pub(crate) fn harmless_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) { push_visible(&mut shown, c) } else { shown.push(c) }
    }
    shown
}

/// Of several lines: an error.
pub(crate) fn harmless_text(text: &str) -> String {
    let mut filter = Filter::default();
    let mut shown = filter.pass(text.as_bytes());
    shown.push_str(&filter.finish());
    shown
}

/// JSON that says the same, with all that steers written as `\u….`: it can stand only in strings there, but for the
/// white space between values.
pub(crate) fn harmless_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if steers(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Output of jobs, in pieces that may end anywhere. Lines and tabs stay; bytes that are no UTF-8 are shown as `\x…`.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// The beginning of a character whose end has not come, or a carriage return that may belong to a line's end.
    held: Vec<u8>,
}

impl Filter {
    /// What can be shown of it by now.
    pub(crate) fn pass(&mut self, data: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(data);
        self.show(&bytes, false)
    }

    /// The rest.
    pub(crate) fn finish(&mut self) -> String {
        let bytes = std::mem::take(&mut self.held);
        self.show(&bytes, true)
    }

    fn show(&mut self, mut bytes: &[u8], all: bool) -> String {
        let mut shown = String::with_capacity(bytes.len());
        loop {
            let (good, bad) = match std::str::from_utf8(bytes) {
                Ok(good) => (good, None),
                Err(error) => {
                    let (good, _) = bytes.split_at(error.valid_up_to());
                    // It is valid up to there.
                    (std::str::from_utf8(good).unwrap_or_default(), Some(error.error_len()))
                }
            };
            let rest = &bytes[good.len()..];
            self.show_text(good, rest.is_empty() && !all, &mut shown);
            match bad {
                None => return shown,
                // The character may become whole with the next piece.
                Some(None) if !all => {
                    self.held.extend_from_slice(rest);
                    return shown;
                }
                Some(length) => {
                    let (bad, after) = rest.split_at(length.unwrap_or(rest.len()));
                    for byte in bad {
                        shown.push_str(&format!("\\x{byte:02x}"));
                    }
                    bytes = after;
                }
            }
        }
    }

    fn show_text(&mut self, text: &str, more_may_come: bool, shown: &mut String) {
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match (c, chars.peek()) {
                ('\n' | '\t', _) => shown.push(c),
                // The end of a line as other systems write it.
                ('\r', Some('\n')) => {}
                ('\r', None) if more_may_come => self.held.push(b'\r'),
                _ if steers(c) => push_visible(shown, c),
                _ => shown.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn show(data: &[u8]) -> String {
        let mut filter = Filter::default();
        let shown = filter.pass(data);
        shown + filter.finish().as_str()
    }

    #[test]
    fn what_steers_a_terminal_is_shown_and_the_rest_stays() {
        let cases: [(&[u8], &str); 11] = [
            (b"plain\tand\nlines\n", "plain\tand\nlines\n"),
            ("Grüße 👩‍🚀 漢字".as_bytes(), "Grüße 👩‍🚀 漢字"),
            (b"\x1b]0;title\x07", "\\x1b]0;title\\x07"),
            (b"dos\r\nline\r\r\nover\rwritten\r", "dos\nline\\r\nover\\rwritten\\r"),
            ("\u{9b}2J".as_bytes(), "\\u{9b}2J"),
            (b"\x9b2J", "\\x9b2J"),
            ("a\u{202e}b\u{2066}".as_bytes(), "a\\u{202e}b\\u{2066}"),
            (b"\xff\xc3", "\\xff\\xc3"),
            (b"\xe2\x82", "\\xe2\\x82"),
            (b"\x08\x7f\0", "\\x08\\x7f\\x00"),
            ("\u{e0041}".as_bytes(), "\\u{e0041}"),
        ];
        for (data, expected) in cases {
            assert_eq!(show(data), expected, "{data:?}");
        }
        assert_eq!(harmless_line("a\nb\t\u{1b}"), "a\\nb\\t\\x1b");
        assert_eq!(harmless_text("a\nb\u{1b}"), "a\nb\\x1b");
    }

    #[test]
    fn json_says_the_same() {
        let text = "a\u{9b}b\u{202e}c\u{e0041}\n\u{1b}\u{7f}";
        let json = serde_json::to_string_pretty(&[text]).unwrap();
        let shown = harmless_json(&json);
        assert!(!shown.chars().any(|c| steers(c) && c != '\n'), "{shown:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), [text]);
    }

    proptest! {
        /// However the bytes are cut, the same is shown, and nothing of it steers.
        #[test]
        fn borders_of_pieces_do_not_show(
            parts in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..6),
                    any::<String>().prop_map(String::into_bytes),
                    Just(b"\r\n".to_vec()),
                    Just("\u{202e}\u{1b}[31m€".as_bytes().to_vec()),
                ],
                0..8,
            ),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let data = parts.concat();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(data.len() + 1)).collect();
            cuts.extend([0, data.len()]);
            cuts.sort_unstable();
            let mut filter = Filter::default();
            let mut shown = String::new();
            for piece in cuts.windows(2) {
                shown.push_str(&filter.pass(&data[piece[0]..piece[1]]));
                prop_assert!(filter.held.len() <= 3, "only the beginning of a character is held back");
            }
            shown.push_str(&filter.finish());
            prop_assert!(!shown.chars().any(|c| steers(c) && c != '\n' && c != '\t'));
            prop_assert_eq!(shown, show(&data));
        }

        #[test]
        fn harmless_text_is_not_changed(text in "[ -~äöü€漢\n\t]*") {
            prop_assert_eq!(show(text.as_bytes()), text);
        }
    }
}
