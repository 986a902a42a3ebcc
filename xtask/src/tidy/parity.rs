use std::collections::BTreeSet;

use super::finding::{Finding, SourceFile};
use super::masked::mask;

const DOCUMENT: &str = "docs/parity.md";

/// The rows of the parity document that a test's name must name.
fn rows() -> impl Iterator<Item = u32> {
    (1..=44).chain([50, 51, 52, 54, 55])
}

/// Every parity row is in the document and has a test whose name starts with the row: `p17_…`.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let mut tested = BTreeSet::new();
    for file in files.iter().filter(|file| file.has_extension("rs")) {
        tested.extend(tested_rows(&mask(&file.text).code));
    }
    let document = files.iter().find(|file| file.path == DOCUMENT);
    let mut findings = Vec::new();
    for row in rows() {
        let name = format!("p{row:02}");
        let line = document.map_or(Some(1), |document| line_that_names(document, &name));
        if line.is_none() {
            findings
                .push(finding(1, format!("does not name row {name}: say where its code and its test are")));
        }
        if !tested.contains(&row) {
            let message =
                format!("no test is named `{name}_…`: write one that fails when row {name} is broken");
            findings.push(finding(line.unwrap_or(1), message));
        }
    }
    findings
}

fn finding(line: usize, message: String) -> Finding {
    Finding { path: DOCUMENT.into(), line, message }
}

fn line_that_names(document: &SourceFile, row: &str) -> Option<usize> {
    let names_it = |line: &str| {
        line.split(|character: char| !character.is_alphanumeric() && character != '_').any(|word| word == row)
    };
    document.text.lines().position(names_it).map(|index| index + 1)
}

/// Rows that the names of test functions start with; a helper with such a name does not count.
fn tested_rows(code: &str) -> Vec<u32> {
    let lines: Vec<&str> = code.lines().collect();
    let mut rows = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if let Some(row) = row_of_function(line)
            && has_test_attribute(&lines[..index])
        {
            rows.push(row);
        }
    }
    rows
}

fn row_of_function(line: &str) -> Option<u32> {
    let (before, name) = line.split_once("fn p")?;
    if !before.is_empty() && !before.ends_with(' ') {
        return None;
    }
    let (digits, rest) = (name.get(..2)?, name.get(2..)?);
    let is_row = rest.starts_with('_') && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_row.then(|| digits.parse().ok()).flatten()
}

/// Whether one of the attributes right above makes a test of the function.
fn has_test_attribute(above: &[&str]) -> bool {
    above
        .iter()
        .rev()
        .map(|line| line.trim())
        .take_while(|line| !line.ends_with(['}', ';', '{']))
        .any(|line| line.starts_with("#[") && line.contains("test"))
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::file;
    use super::*;

    fn all_tests() -> String {
        rows().map(|row| format!("#[test]\nfn p{row:02}_works() {{\n}}\n")).collect()
    }

    fn all_rows() -> String {
        rows().map(|row| format!("| p{row:02} | x |\n")).collect()
    }

    #[test]
    fn complete_parity_has_no_finding() {
        let files = [file("a.rs", &all_tests()), file(DOCUMENT, &all_rows())];
        assert_eq!(check(&files), []);
    }

    #[test]
    fn without_the_document_tests_are_still_asked_for() {
        assert_eq!(check(&[file("a.rs", &all_tests())]), []);
        assert_eq!(check(&[]).len(), rows().count());
    }

    #[test]
    fn a_row_without_a_test_is_found_at_its_line() {
        let tests = all_tests().replace("p17_", "q17_");
        let findings = check(&[file("a.rs", &tests), file(DOCUMENT, &all_rows())]);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].line, 17);
        assert!(findings[0].message.contains("p17"));
    }

    #[test]
    fn a_row_that_the_document_does_not_name_is_found() {
        let document = all_rows().replace("| p50 |", "| p5 |");
        let findings = check(&[file("a.rs", &all_tests()), file(DOCUMENT, &document)]);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].message.contains("does not name row p50"));
    }

    #[test]
    fn only_tests_count() {
        assert_eq!(tested_rows("#[tokio::test(start_paused = true)]\n\n    async fn p05_a() {\n"), [5]);
        assert_eq!(tested_rows("#[test]\nfn a() {\n}\n\nfn p05_helper() {\n"), [0; 0]);
        assert_eq!(tested_rows(&mask("#[test]\n// fn p05_a()\nfn p06_a() {").code), [6]);
        assert_eq!(tested_rows("#[test]\nfn p123_a() {}\n"), [0; 0]);
    }
}
