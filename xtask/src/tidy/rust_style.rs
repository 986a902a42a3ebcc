use super::finding::{Finding, SourceFile};
use super::masked::mask;

/// About 500 lines are the aim; this is where it stops being a matter of taste.
const MAX_LINES: usize = 600;

/// What clippy and rustc do not check in a Rust file.
pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    let masked = mask(&file.text);
    let mut findings = Vec::new();
    findings.extend(length(file));
    findings.extend(attributes(file, &masked.code));
    findings.extend(unfinished(file, &masked.code));
    findings.extend(to_dos(file, &masked.comments));
    if matches!(file.name(), "mod.rs" | "lib.rs") {
        findings.extend(logic(file, &masked.code));
    }
    findings
}

fn length(file: &SourceFile) -> Option<Finding> {
    let lines = file.text.lines().count();
    (lines > MAX_LINES).then(|| {
        file.finding(
            MAX_LINES + 1,
            format!("{lines} lines, more than {MAX_LINES}: split it, one idea to a file"),
        )
    })
}

/// Attributes that switch a lint or a test off.
fn attributes(file: &SourceFile, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, _) in code.match_indices('#') {
        let Some(text) = attribute(&code[at..]) else { continue };
        let number = line_of(code, at);
        let packed: String = text.chars().filter(|character| !character.is_whitespace()).collect();
        if has_call(&packed, "allow") {
            findings.push(file.finding(
                number,
                "allow(…): use expect(…, reason = \"…\"), which says when it is no longer needed",
            ));
        }
        if has_call(&packed, "expect") && !packed.contains("reason=") {
            findings.push(file.finding(number, "expect(…) without a reason: add reason = \"…\""));
        }
        if packed == "[ignore]" {
            findings.push(
                file.finding(number, "an ignored test without a reason: make it run, or add = \"why\""),
            );
        }
    }
    findings
}

/// `[…]` of the attribute that starts here, if one does.
fn attribute(code: &str) -> Option<&str> {
    let inner = code.strip_prefix('#')?;
    let inner = inner.strip_prefix('!').unwrap_or(inner);
    if !inner.starts_with('[') {
        return None;
    }
    let mut depth = 0_usize;
    for (at, character) in inner.char_indices() {
        match character {
            '[' => depth += 1,
            ']' if depth == 1 => return inner.get(..=at),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Whether `name(` appears as a word of its own.
fn has_call(packed: &str, name: &str) -> bool {
    packed.match_indices(&format!("{name}(")).any(|(at, _)| starts_word(packed, at))
}

fn starts_word(text: &str, at: usize) -> bool {
    text[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric() && before != '_')
}

fn unfinished(file: &SourceFile, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in code.lines().enumerate() {
        for name in ["todo!", "unimplemented!", "dbg!"] {
            if line.match_indices(name).any(|(at, _)| starts_word(line, at)) {
                findings.push(file.finding(index + 1, format!("{name}: finish it, or return a typed error")));
            }
        }
    }
    findings
}

/// Marks of unfinished work are to name an issue: `TODO(#12)`.
fn to_dos(file: &SourceFile, comments: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in comments.lines().enumerate() {
        for mark in ["TODO", "FIXME", "XXX"] {
            let without_issue =
                |(at, _): (usize, &str)| starts_word(line, at) && !line[at + mark.len()..].starts_with("(#");
            if line.match_indices(mark).any(without_issue) {
                let message = format!("{mark} without an issue: do it, or write {mark}(#number)");
                findings.push(file.finding(index + 1, message));
            }
        }
    }
    findings
}

/// A mod.rs is a table of contents; so is a lib.rs, which may hold constants too.
fn logic(file: &SourceFile, code: &str) -> Vec<Finding> {
    let items: &[&str] = if file.name() == "mod.rs" {
        &["fn", "impl", "struct", "enum", "trait", "union", "macro_rules!", "type", "const", "static"]
    } else {
        &["fn", "impl", "struct", "enum", "trait", "union", "macro_rules!"]
    };
    let mut findings = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let item = line.split_whitespace().find(|word| {
            !word.starts_with("pub") && !matches!(*word, "async" | "unsafe" | "crate)" | "super)")
        });
        let Some(item) = item else { continue };
        let word = item.split(['<', '(', ':']).next().unwrap_or(item);
        if items.contains(&word) {
            let message = format!(
                "`{word}` in {}, which only says what there is: move it to a file of its own",
                file.name()
            );
            findings.push(file.finding(index + 1, message));
        }
    }
    findings
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::{assert_one, file};
    use super::*;

    fn check_rust(text: &str) -> Vec<Finding> {
        check(&file("src/a.rs", text))
    }

    #[test]
    fn plain_code_has_no_finding() {
        let text = "//! Says `todo!()` and `dbg!(x)`.\n\
            #[expect(dead_code, reason = \"read by p17\")]\n\
            #[derive(Debug)]\nstruct A([u8; 3]);\n\
            #[ignore = \"needs a cloud\"]\nfn a() { allow(1); b(\"#[allow(x)] TODO\"); } // TODO(#12): c\n";
        assert_eq!(check_rust(text), []);
    }

    #[test]
    fn a_file_that_is_too_long_is_found() {
        assert_eq!(check_rust(&"// a\n".repeat(MAX_LINES)), []);
        assert_one(&check_rust(&"// a\n".repeat(MAX_LINES + 1)), MAX_LINES + 1, "split it");
    }

    #[test]
    fn allow_is_found_in_every_form() {
        for attribute in [
            "#[allow(dead_code)]",
            "#![allow(dead_code)]",
            "#[cfg_attr(test, allow(dead_code))]",
            "#[\n allow(\n dead_code)]",
        ] {
            assert_one(&check_rust(&format!("\n{attribute}\nfn a() {{}}\n")), 2, "use expect");
        }
    }

    #[test]
    fn expect_without_a_reason_is_found() {
        assert_one(&check_rust("#[expect(dead_code)]\nfn a() {}\n"), 1, "without a reason");
    }

    #[test]
    fn ignore_without_a_reason_is_found() {
        assert_one(&check_rust("#[test]\n#[ignore]\nfn a() {}\n"), 2, "make it run");
    }

    #[test]
    fn unfinished_code_is_found() {
        for name in ["todo!", "unimplemented!", "dbg!"] {
            assert_one(&check_rust(&format!("fn a() {{\n    {name}()\n}}\n")), 2, name);
        }
    }

    #[test]
    fn a_mark_without_an_issue_is_found() {
        for mark in ["TODO", "FIXME", "XXX"] {
            assert_one(&check_rust(&format!("fn a() {{}}\n// {mark}: later\n")), 2, "without an issue");
        }
    }

    #[test]
    fn logic_in_a_table_of_contents_is_found() {
        for name in ["mod.rs", "lib.rs"] {
            for item in ["pub(crate) fn a() {}", "impl<T> A for T {}", "pub struct A;", "async fn a() {}"] {
                let text = format!("//! b\nmod c;\npub use c::{{\n    D,\n}};\n{item}\n");
                assert_one(&check(&file(&format!("src/{name}"), &text)), 6, "move it");
            }
        }
        let constant = "/// A.\npub const A: u8 = 1;\n";
        assert_eq!(check(&file("src/lib.rs", constant)), []);
        assert_one(&check(&file("src/mod.rs", constant)), 2, "move it");
    }
}
