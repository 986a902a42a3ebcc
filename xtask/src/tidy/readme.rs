use super::finding::{Finding, SourceFile};

const README: &str = "README.md";

/// The two commands that a newcomer types first.
const REQUIRED: [&str; 2] = ["cargo run --release -- demo", "cargo xtask test"];

/// The README names the commands that matter, and no page names a task that is not there.
pub(super) fn check(files: &[SourceFile], tasks: &[String]) -> Vec<Finding> {
    let mut findings = required(files);
    for file in files.iter().filter(|file| file.has_extension("md")) {
        findings.extend(unknown_tasks(file, tasks));
    }
    findings.extend(ambiguous_run(files));
    findings
}

fn required(files: &[SourceFile]) -> Vec<Finding> {
    let readme = files.iter().find(|file| file.path == README);
    let text = readme.map_or("", |file| file.text.as_str());
    REQUIRED
        .iter()
        .filter(|command| !text.contains(**command))
        .map(|command| Finding {
            path: README.into(),
            line: 1,
            message: format!("does not name `{command}`: add it"),
        })
        .collect()
}

/// `cargo xtask word` names a task. The change log may name tasks of former times.
fn unknown_tasks(file: &SourceFile, tasks: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file.name() == "CHANGELOG.md" {
        return findings;
    }
    for (index, line) in file.text.lines().enumerate() {
        for rest in line.split("cargo xtask ").skip(1) {
            let is_task_character = |character: char| character.is_ascii_alphanumeric() || character == '-';
            let task = rest.split(|character| !is_task_character(character)).next().unwrap_or_default();
            if !task.is_empty() && !task.starts_with('-') && !tasks.iter().any(|known| known == task) {
                let message = format!("there is no `cargo xtask {task}`; there are: {}", tasks.join(", "));
                findings.push(file.finding(index + 1, message));
            }
        }
    }
    findings
}

/// `cargo run` without a name works as long as one member alone says which program that is.
fn ambiguous_run(files: &[SourceFile]) -> Vec<Finding> {
    let manifests = files.iter().filter(|file| file.name() == "Cargo.toml");
    let chosen: Vec<(&SourceFile, usize)> = manifests
        .filter_map(|file| {
            let line = file.text.lines().position(|line| line.starts_with("default-run"))?;
            Some((file, line + 1))
        })
        .collect();
    match chosen.as_slice() {
        [_] => Vec::new(),
        [] => vec![Finding {
            path: "Cargo.toml".into(),
            line: 1,
            message:
                "no member has `default-run`, so that `cargo run` does not know what to run: add it to one"
                    .into(),
        }],
        [_, others @ ..] => others
            .iter()
            .map(|(file, line)| {
                file.finding(*line, "a second `default-run` makes `cargo run` ambiguous: remove it")
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::{assert_one, file};
    use super::*;

    fn good() -> [SourceFile; 2] {
        [file(README, &REQUIRED.join("\n")), file("poold/Cargo.toml", "[package]\ndefault-run = \"poold\"\n")]
    }

    fn tasks() -> [String; 2] {
        ["test".to_owned(), "ci".to_owned()]
    }

    #[test]
    fn a_complete_readme_has_no_finding() {
        assert_eq!(check(&good(), &tasks()), []);
    }

    #[test]
    fn a_command_that_the_readme_lacks_is_found() {
        let [mut readme, manifest] = good();
        readme.text = REQUIRED[0].into();
        assert_one(&check(&[readme, manifest], &tasks()), 1, REQUIRED[1]);
    }

    #[test]
    fn a_task_that_does_not_exist_is_found() {
        let [readme, manifest] = good();
        let page = file("docs/a.md", "Run\n`cargo xtask ci`, then `cargo xtask simulate --seeds 1`.\n");
        let old = file("CHANGELOG.md", "removed `cargo xtask simulate`\n");
        assert_one(&check(&[readme, manifest, page, old], &tasks()), 2, "no `cargo xtask simulate`");
    }

    #[test]
    fn none_or_two_default_programs_are_found() {
        let [readme, manifest] = good();
        assert_one(&check(std::slice::from_ref(&readme), &tasks()), 1, "does not know what to run");
        let second = file("z/Cargo.toml", "[package]\nname = \"z\"\ndefault-run = \"z\"\n");
        assert_one(&check(&[readme, manifest, second], &tasks()), 3, "ambiguous");
    }
}
