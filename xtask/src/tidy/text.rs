use super::finding::{Finding, SourceFile};

/// Words that must not appear, and what to do about them. They are put together from halves, so that this file
/// does not contain them either.
const FORBIDDEN: [(&str, &str); 5] = [
    (concat!("arv", "ados"), "call it the reference"),
    (concat!("crunch", "-run"), "call it the runner"),
    (concat!("dispatch", "cloud"), "call it the reference"),
    (concat!("A", "GPL"), "this project holds nothing under that licence, nor refers to it"),
    (concat!("GNU Aff", "ero"), "this project holds nothing under that licence, nor refers to it"),
];

/// Folders of the machines that the project is developed on.
const FORBIDDEN_FOLDERS: [&str; 1] = [concat!("/wo", "rk/")];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// White space, line ends and words in any text file.
pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Snapshots are what a program printed, to the byte.
    let is_snapshot = file.has_extension("snap");
    for (index, line) in file.text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        let content = line.strip_suffix('\n').unwrap_or(line);
        if !is_snapshot {
            findings.extend(white_space(file, number, line, content));
        }
        findings.extend(words(file, number, content));
        if file.name() == "Cargo.lock" && content.starts_with("source = ") && !content.contains(CRATES_IO) {
            findings.push(file.finding(number, "not from crates.io: depend on a published release"));
        }
    }
    findings
}

fn white_space(file: &SourceFile, number: usize, line: &str, content: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if content.ends_with('\r') {
        findings.push(file.finding(number, "ends with CR LF: use LF alone"));
    } else if content.ends_with([' ', '\t']) {
        findings.push(file.finding(number, "white space at the end of the line: remove it"));
    }
    if !line.ends_with('\n') {
        findings.push(file.finding(number, "no line end at the end of the file: add one"));
    }
    if file.has_extension("rs") && content.contains('\t') {
        findings.push(file.finding(number, "a tab: use spaces, or \\t in a string"));
    }
    findings
}

fn words(file: &SourceFile, number: usize, content: &str) -> Vec<Finding> {
    let lower = content.to_lowercase();
    let mut findings = Vec::new();
    for (word, advice) in FORBIDDEN {
        if lower.contains(&word.to_lowercase()) {
            findings.push(file.finding(number, format!("the word {word:?}: {advice}")));
        }
    }
    for folder in FORBIDDEN_FOLDERS {
        if starts_a_path(content, folder) {
            findings.push(file.finding(
                number,
                format!("a path below {folder}: that is one developer's machine; remove it"),
            ));
        }
    }
    findings
}

/// Whether the folder appears as the start of an absolute path: `a/tmp/b` does not start with `/tmp/`.
fn starts_a_path(content: &str, folder: &str) -> bool {
    content.match_indices(folder).any(|(at, _)| {
        let before = content[..at].chars().next_back();
        before.is_none_or(|character| !character.is_alphanumeric() && !"/._-~}*".contains(character))
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::{assert_one, file};
    use super::*;

    #[test]
    fn a_clean_file_has_no_finding() {
        assert_eq!(check(&file("a.rs", "fn a() {}\n\n// An elastic pool/work/queue.\n")), []);
        assert_eq!(check(&file("empty.txt", "")), []);
    }

    #[test]
    fn white_space_at_the_end_of_a_line_is_found() {
        assert_one(&check(&file("a.md", "one\ntwo \n")), 2, "white space at the end");
    }

    #[test]
    fn dos_line_ends_are_found() {
        assert_one(&check(&file("a.sh", "one\r\ntwo\n")), 1, "CR LF");
    }

    #[test]
    fn a_missing_last_line_end_is_found() {
        assert_one(&check(&file("a.toml", "a = 1\nb = 2")), 2, "no line end");
    }

    #[test]
    fn a_tab_is_found_in_rust_alone() {
        assert_one(&check(&file("a.rs", "fn a() {\n\tb()\n}\n")), 2, "a tab");
        assert_eq!(check(&file("Makefile", "all:\n\ttrue\n")), []);
    }

    #[test]
    fn snapshots_keep_their_bytes_but_not_forbidden_words() {
        assert_eq!(check(&file("a.snap", "padded  \nno end")), []);
        assert_one(&check(&file("a.snap", &format!("{}\n", FORBIDDEN[0].0))), 1, "the reference");
    }

    #[test]
    fn every_forbidden_word_is_found_whatever_its_case() {
        for (word, advice) in FORBIDDEN {
            assert_one(&check(&file("a.md", &format!("\nsee {}.\n", word.to_uppercase()))), 2, advice);
        }
    }

    #[test]
    fn a_developers_folder_is_found() {
        for folder in FORBIDDEN_FOLDERS {
            assert_one(
                &check(&file("a.rs", &format!("// see \"{folder}main\"\n"))),
                1,
                "one developer's machine",
            );
            assert_eq!(check(&file("a.rs", &format!("// jobs{folder}main\n"))), []);
        }
    }

    #[test]
    fn a_dependency_from_elsewhere_is_found_in_the_lock_file() {
        let lock = format!("source = \"{CRATES_IO}\"\nsource = \"git+https://example.org/x\"\n");
        assert_one(&check(&file("Cargo.lock", &lock)), 2, "not from crates.io");
    }
}
