use std::collections::BTreeSet;

use super::finding::{Finding, SourceFile};

/// Relative links of a Markdown file lead to files or folders that git knows.
pub(super) fn check(file: &SourceFile, paths: &[String]) -> Vec<Finding> {
    let known = with_folders(paths);
    let mut findings = Vec::new();
    let mut in_code = false;
    for (index, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for target in links(&without_code(line)) {
            if !is_relative(&target) {
                continue;
            }
            let path = target.split(['#', '?']).next().unwrap_or_default();
            match resolve(&file.path, path) {
                Some(resolved) if known.contains(resolved.as_str()) => {}
                _ => {
                    let message =
                        format!("the link to {target:?} leads nowhere: correct it, or commit its file");
                    findings.push(file.finding(index + 1, message));
                }
            }
        }
    }
    findings
}

fn with_folders(paths: &[String]) -> BTreeSet<&str> {
    let mut known = BTreeSet::from([""]);
    for path in paths {
        known.insert(path);
        known.extend(path.match_indices('/').map(|(at, _)| &path[..at]));
    }
    known
}

/// The line without what is between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

/// Targets of `[text](target)` and `[name]: target`.
fn links(line: &str) -> Vec<String> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let definition =
        line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target);
    inline
        .chain(definition)
        // What follows a space is a title.
        .filter_map(|target| target.split_whitespace().next())
        .map(|target| target.trim_matches(['<', '>']).to_owned())
        .collect()
}

fn is_relative(target: &str) -> bool {
    !target.starts_with('#') && !target.contains("://") && !target.starts_with("mailto:")
}

/// The target as a path from the repository's top folder; `None` if it is outside.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { from.split('/').collect() };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::{assert_one, file};
    use super::*;

    fn check_page(text: &str) -> Vec<Finding> {
        let paths = ["README.md", "docs/parity.md", "docs/page.md", "pool-core/api/src/lib.rs"];
        check(&file("docs/page.md", text), &paths.map(str::to_owned))
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        let text = "[a](parity.md) [b](../README.md#how \"title\") [c](../pool-core/api) [d](#here)\n\
            [e](https://example.org/x) [f](mailto:a@example.org) [g](../pool-core/api/src/lib.rs#L7)\n\
            [h]: ./parity.md\n`[i](gone.md)`\n```\n[j](gone.md)\n```\n";
        assert_eq!(check_page(text), []);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        for link in
            ["[a](gone.md)", "[a](../docs/gone.md#b)", "[a](../../outside)", "[a]: gone.md", "![a](b.png)"]
        {
            assert_one(&check_page(&format!("text\n{link}\n")), 2, "leads nowhere");
        }
    }
}
