/// A Rust source whose code and comments are apart.
///
/// Both texts have the source's lines and the same columns, with spaces in place of what is not theirs. What is
/// in string and character literals is in neither, so that a word in a message is not taken for code.
#[derive(Debug)]
pub(super) struct Masked {
    pub(super) code: String,
    pub(super) comments: String,
}

enum Place {
    Code,
    Comment,
    Literal,
}

/// Takes a Rust source apart. What does not compile gives some result too.
pub(super) fn mask(source: &str) -> Masked {
    let mut masked = Masked { code: String::new(), comments: String::new() };
    let mut rest = source;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let (place, length) = token(rest, before);
        let (token, after) = rest.split_at(length.max(first.len_utf8()).min(rest.len()));
        for character in token.chars() {
            let blank = if character == '\n' { '\n' } else { ' ' };
            masked.code.push(if matches!(place, Place::Code) { character } else { blank });
            masked.comments.push(if matches!(place, Place::Comment) { character } else { blank });
            before = character;
        }
        rest = after;
    }
    masked
}

/// What `rest` starts with, and how many bytes of it there are.
fn token(rest: &str, before: char) -> (Place, usize) {
    if rest.starts_with("//") {
        return (Place::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Place::Comment, block_comment(rest));
    }
    if let Some(inside) = rest.strip_prefix('"') {
        return (Place::Literal, 1 + until_quote(inside));
    }
    // In `for"…"` the r would belong to a word.
    if !is_word(before)
        && let Some(length) = raw_string(rest)
    {
        return (Place::Literal, length);
    }
    if rest.starts_with('\'')
        && let Some(length) = character(rest)
    {
        return (Place::Literal, length);
    }
    (Place::Code, 1)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Bytes up to and with the closing quote.
fn until_quote(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, and the same after `b` or `c`.
fn raw_string(rest: &str) -> Option<usize> {
    let unprefixed = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    let opening = unprefixed.strip_prefix('r')?;
    let hashes = opening.len() - opening.trim_start_matches('#').len();
    let body = opening[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - body.len();
    Some(body.find(&end).map_or(rest.len(), |at| start + at + end.len()))
}

/// `'x'` or `'\n'`, but not the lifetime `'x`.
fn character(rest: &str) -> Option<usize> {
    let inside = &rest[1..];
    if let Some(escape) = inside.strip_prefix('\\') {
        let escaped = escape.chars().next()?.len_utf8();
        return escape[escaped..].find('\'').map(|at| 2 + escaped + at + 1);
    }
    let length = inside.chars().next()?.len_utf8();
    inside[length..].starts_with('\'').then_some(1 + length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> String {
        mask(source).code
    }

    #[test]
    fn comments_and_code_are_told_apart() {
        let masked = mask("a(); // b\n/* c /* d */ e */ f();\n");
        assert_eq!(masked.code, "a();     \n                  f();\n");
        assert_eq!(masked.comments, "     // b\n/* c /* d */ e */     \n");
    }

    #[test]
    fn strings_are_in_neither() {
        for literal in [
            r#""x // \" dbg!()""#,
            "r\"x \\\"",
            "r##\"x \"# x\"##",
            "b\"x\"",
            "br#\"x\"#",
            "'x'",
            "'\\''",
            "'\\u{7f}'",
            "'\"'",
        ] {
            let masked = mask(&format!("a({literal}); y // z"));
            assert!(!masked.code.contains('x'), "{literal}: {masked:?}");
            assert!(!masked.code.contains("dbg"), "{literal}: {masked:?}");
            assert!(masked.code.contains("; y "), "{literal}: {masked:?}");
            assert!(masked.comments.ends_with("// z"), "{literal}: {masked:?}");
        }
    }

    #[test]
    fn lifetimes_are_code() {
        let source = "fn a<'x>(b: &'x str, r: &'static str) -> &'x str { b }";
        assert_eq!(code(source), source);
    }

    #[test]
    fn lines_stay_where_they_are() {
        let source = "a(\"é\n\n\"); // ö\nb();";
        assert_eq!(code(source).lines().count(), 4);
        assert_eq!(code(source).lines().last(), Some("b();"));
    }

    #[test]
    fn what_is_not_closed_ends_with_the_file() {
        for source in ["\"a", "/* a", "r#\"a\"", "'\\", "b", "'"] {
            assert_eq!(code(source).chars().count(), source.chars().count(), "{source}");
        }
    }
}
