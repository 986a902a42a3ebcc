use toml::{Table, Value};

use super::finding::{Finding, SourceFile};

const INHERITED: [&str; 4] = ["version", "edition", "rust-version", "license"];

/// Crates that start, or are part of, an async runtime.
const RUNTIMES: [&str; 8] = [
    "tokio",
    "async-std",
    "smol",
    "async-executor",
    "async-global-executor",
    "async-io",
    "monoio",
    "glommio",
];

/// Members without a runtime: the contract, the decisions, the frames and what runs on the workers.
const WITHOUT_RUNTIME: [&str; 4] = ["pool-api", "pool-state", "pool-protocol", "pool-runner"];

/// Members that contain no async function at all.
const WITHOUT_ASYNC: [&str; 2] = ["pool-state", "pool-protocol"];

/// A member's manifest, read.
struct Manifest<'a> {
    file: &'a SourceFile,
    name: String,
    table: Table,
}

struct Dependency {
    /// The package's own name, whatever it is called here.
    package: String,
    key: String,
    kind: Kind,
    inherited: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Dev,
}

/// The manifests of the members keep the workspace's rules and the architecture's.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut members = Vec::new();
    for file in files.iter().filter(|file| file.name() == "Cargo.toml") {
        match file.text.parse::<Table>() {
            Ok(table) => members.extend(member(file, table)),
            Err(error) => findings.push(file.finding(1, format!("not valid TOML: {}", error.message()))),
        }
    }
    let ours: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
    for member in &members {
        findings.extend(inheritance(member));
        let dependencies = dependencies(&member.table);
        for dependency in &dependencies {
            findings.extend(feature_sets(member, dependency));
            findings.extend(runtimes(member, dependency));
            findings.extend(drivers(member, dependency, &ours));
        }
    }
    findings
}

/// `None` for the workspace's own manifest, which describes no package, and for packages that are workspaces of their own.
fn member(file: &SourceFile, table: Table) -> Option<Manifest<'_>> {
    if table.contains_key("workspace") {
        return None;
    }
    let name = table.get("package")?.get("name")?.as_str()?.to_owned();
    Some(Manifest { file, name, table })
}

fn inheritance(member: &Manifest<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let package = &member.table["package"];
    let line = member.line("[package]");
    for key in INHERITED {
        if !is_inherited(package.get(key)) {
            findings.push(
                member
                    .file
                    .finding(line, format!("{key} is not the workspace's: write `{key}.workspace = true`")),
            );
        }
    }
    if !is_inherited(member.table.get("lints")) {
        findings.push(
            member
                .file
                .finding(line, "the workspace's lints do not apply: add `[lints]` with `workspace = true`"),
        );
    }
    let description = package.get("description").and_then(Value::as_str).unwrap_or_default();
    if description.trim().is_empty() {
        findings.push(member.file.finding(line, "no description: say in one line what the crate is for"));
    }
    findings
}

fn is_inherited(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

/// Dependencies of every section, those for one platform included.
fn dependencies(table: &Table) -> Vec<Dependency> {
    let mut found = of_sections(table);
    let targets = table.get("target").and_then(Value::as_table);
    for target in targets.into_iter().flat_map(Table::values).filter_map(Value::as_table) {
        found.extend(of_sections(target));
    }
    found
}

fn of_sections(table: &Table) -> Vec<Dependency> {
    let sections = [
        ("dependencies", Kind::Normal),
        ("build-dependencies", Kind::Normal),
        ("dev-dependencies", Kind::Dev),
    ];
    let mut found = Vec::new();
    for (section, kind) in sections {
        for (key, value) in table.get(section).and_then(Value::as_table).into_iter().flatten() {
            let package = value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned();
            found.push(Dependency { package, key: key.clone(), kind, inherited: is_inherited(Some(value)) });
        }
    }
    found
}

/// One feature set per dependency, or a build of one member compiles what another has compiled already.
fn feature_sets(member: &Manifest<'_>, dependency: &Dependency) -> Option<Finding> {
    let Dependency { key, inherited, .. } = dependency;
    (!inherited).then(|| {
        let message = format!(
            "{key} has a version of its own: move it to [workspace.dependencies], write `{key}.workspace = true`"
        );
        member.file.finding(member.line(key), message)
    })
}

fn runtimes(member: &Manifest<'_>, dependency: &Dependency) -> Option<Finding> {
    let package = dependency.package.as_str();
    let is_runtime = RUNTIMES.contains(&package) || package.starts_with("tokio-");
    let is_async = is_runtime || package == "async-trait" || package.starts_with("futures");
    let name = member.name.as_str();
    let broken = WITHOUT_RUNTIME.contains(&name) && is_runtime || WITHOUT_ASYNC.contains(&name) && is_async;
    broken.then(|| {
        let message =
            format!("{name} has {package} in its manifest: it holds nothing async; do that in pool-core");
        member.file.finding(member.line(&dependency.key), message)
    })
}

/// A driver knows the contract alone, and its tests a stand-in for its provider; the loopback plays the worker too, and so
/// knows the runner.
fn drivers(member: &Manifest<'_>, dependency: &Dependency, ours: &[String]) -> Option<Finding> {
    if !member.name.starts_with("driver-") || !ours.contains(&dependency.package) {
        return None;
    }
    let mut known = vec!["pool-api"];
    if member.name == "driver-loopback" {
        known.extend(["pool-protocol", "pool-runner"]);
    }
    let stand_in = member.name.replacen("driver-", "", 1) + "-fake";
    if dependency.kind == Kind::Dev {
        known.push(&stand_in);
        known.extend(["executor-ssh", "pool-conformance", "pool-protocol", "pool-runner"]);
    }
    (!known.contains(&dependency.package.as_str())).then(|| {
        let message = format!(
            "{} depends on {}: of ours, a driver knows only {}",
            member.name,
            dependency.package,
            known.join(", ")
        );
        member.file.finding(member.line(&dependency.key), message)
    })
}

impl Manifest<'_> {
    /// The first line that starts with the text, as a whole word.
    fn line(&self, start: &str) -> usize {
        let starts = |line: &str| {
            line.trim_start().trim_start_matches('"').strip_prefix(start).is_some_and(|rest| {
                !rest.starts_with(|next: char| next.is_alphanumeric() || next == '-' || next == '_')
            })
        };
        self.file.text.lines().position(starts).map_or(1, |index| index + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::{assert_one, file};
    use super::*;

    const HEAD: &str = "description = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\n[lints]\nworkspace = true\n";

    /// A member that is right but for its dependencies, which start at line 10.
    fn manifest(name: &str, dependencies: &str) -> SourceFile {
        let text = format!("[package]\nname = \"{name}\"\n{HEAD}{dependencies}");
        file(&format!("{name}/Cargo.toml"), &text)
    }

    fn check_one(name: &str, dependencies: &str) -> Vec<Finding> {
        check(&[manifest(name, dependencies)])
    }

    #[test]
    fn good_manifests_have_no_finding() {
        let files = [
            file("Cargo.toml", "[workspace.dependencies]\ntokio = { version = \"1\" }\n"),
            manifest("pool-api", "[dependencies]\nasync-trait.workspace = true\n"),
            manifest("pool-state", "[dependencies]\npool-api.workspace = true\n"),
            manifest("pool-core", "[dependencies]\ntokio = { workspace = true, optional = true }\n"),
            manifest("driver-ec2", "[dependencies]\npool-api.workspace = true\ntokio.workspace = true\n"),
            manifest("pool-runner", "[dependencies]\npool-api.workspace = true\n"),
            manifest("driver-loopback", "[dependencies]\npool-runner.workspace = true\n"),
        ];
        assert_eq!(check(&files), []);
    }

    #[test]
    fn what_is_not_inherited_is_found() {
        for key in INHERITED {
            let mut file = manifest("a", "");
            file.text = file.text.replace(&format!("\n{key}.workspace = true"), &format!("\n{key} = \"1\""));
            assert_one(&check(&[file]), 1, &format!("{key} is not the workspace's"));
        }
        let mut file = manifest("a", "");
        file.text = file.text.replace("[lints]\nworkspace = true", "");
        assert_one(&check(&[file]), 1, "lints do not apply");
    }

    #[test]
    fn a_missing_description_is_found() {
        let mut file = manifest("a", "");
        file.text = file.text.replace("description = \"a\"", "description = \" \"");
        assert_one(&check(&[file]), 1, "no description");
    }

    #[test]
    fn a_version_of_its_own_is_found() {
        assert_one(
            &check_one("a", "[dependencies]\nhex.workspace = true\nserde = \"1\"\n"),
            12,
            "serde has a version",
        );
        assert_one(
            &check_one("a", "[target.'cfg(unix)'.dependencies]\nnix = \"1\"\n"),
            11,
            "nix has a version",
        );
    }

    #[test]
    fn a_runtime_where_there_must_be_none_is_found() {
        for name in WITHOUT_RUNTIME {
            for section in
                ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"]
            {
                let found = check_one(name, &format!("[{section}]\ntokio.workspace = true\n"));
                assert_one(&found, 11, "has tokio in its manifest");
            }
        }
        let renamed = "[dependencies]\nrt = { workspace = true, package = \"tokio-util\" }\n";
        assert_one(&check_one("pool-state", renamed), 11, "tokio-util");
    }

    #[test]
    fn async_traits_are_for_the_contract_alone() {
        for name in WITHOUT_ASYNC {
            assert_one(&check_one(name, "[dependencies]\nasync-trait.workspace = true\n"), 11, "async-trait");
            assert_one(
                &check_one(name, "[dependencies]\nfutures-util.workspace = true\n"),
                11,
                "futures-util",
            );
        }
    }

    #[test]
    fn a_driver_that_knows_too_much_is_found() {
        let ours = ["pool-core", "pool-state", "driver-ec2", "pool-runner"].map(|name| manifest(name, ""));
        for known in ["pool-core", "pool-state", "driver-ec2", "pool-runner"] {
            let driver = manifest("driver-gce", &format!("[dependencies]\n{known}.workspace = true\n"));
            let files = [ours.as_slice(), &[driver]].concat();
            assert_one(&check(&files), 11, &format!("driver-gce depends on {known}"));
        }
        // A stand-in is for the tests alone, and of its own provider.
        let fakes = ["ec2-fake", "gce-fake"].map(|name| manifest(name, ""));
        for (section, stand_in, expected) in [
            ("dev-dependencies", "gce-fake", 0),
            ("dev-dependencies", "ec2-fake", 1),
            ("dependencies", "gce-fake", 1),
        ] {
            let driver = manifest("driver-gce", &format!("[{section}]\n{stand_in}.workspace = true\n"));
            let found = check(&[fakes.as_slice(), &[driver]].concat());
            assert_eq!(found.len(), expected, "{section} {stand_in}: {found:?}");
        }
        let loopback = manifest("driver-loopback", "[dev-dependencies]\npool-core.workspace = true\n");
        assert_one(&check(&[ours.as_slice(), &[loopback]].concat()), 11, "depends on pool-core");
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_found() {
        assert_one(&check(&[file("a/Cargo.toml", "[package\n")]), 1, "not valid TOML");
    }
}
