//! Completions and man pages, as shells and `man` read them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Stdio},
};

const POOLD: &str = env!("CARGO_BIN_EXE_poold");

fn says(arguments: &[&str]) -> String {
    let output = Command::new(POOLD).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// All commands that `--help` lists.
fn commands() -> BTreeSet<String> {
    let help = says(&["--help"]);
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

/// What bash offers after these words, the last of which is not complete.
fn offered(words: &[&str]) -> BTreeSet<String> {
    // As bash's own machinery calls it.
    let script = "
        source <(\"$POOLD\" completions bash) || exit 1
        how=($(complete -p poold)) || exit 1
        for at in \"${!how[@]}\"; do [[ ${how[at]} == -F ]] && function=${how[at + 1]}; done
        COMP_WORDS=(poold \"$@\") COMP_CWORD=$# COMP_LINE=\"poold $*\" COMP_POINT=${#COMP_LINE}
        \"$function\" poold \"${!#}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"
        printf '%s\\n' \"${COMPREPLY[@]}\"";
    let output = Command::new("bash")
        .args(["--norc", "-c", script, "bash"])
        .args(words)
        .env("POOLD", POOLD)
        .output()
        .expect("bash is needed for this test");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let all = offered(&[""]);
    for command in commands() {
        assert!(all.contains(&command), "{command}: {all:?}");
    }
    assert!(!all.contains("runner"), "it is not for people");
    assert_eq!(offered(&["sub"]), BTreeSet::from(["submit".to_owned()]));
    assert!(offered(&["submit", "--fol"]).contains("--follow"));
    assert_eq!(offered(&["logs", "--stream", "std"]), BTreeSet::from(["stderr".into(), "stdout".into()]));
    assert_eq!(offered(&["config", "ch"]), BTreeSet::from(["check".to_owned()]));
    assert!(offered(&["status", "--ser"]).contains("--server"));
}

#[test]
fn every_shells_completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = says(&["completions", shell]);
        for command in commands() {
            assert!(text.contains(&command), "{shell}: {command}");
        }
        assert!(!text.contains("called by the pool"), "{shell}: it is not for people");
    }
}

#[test]
fn shells_are_named_when_another_is_asked_for() {
    let output = Command::new(POOLD).args(["completions", "tcsh"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && error.contains("elvish"), "{error}");
}

/// The requests of roff and the macros of man(7) that the pages may use.
const MACROS: [&str; 16] =
    ["TH", "SH", "SS", "PP", "P", "TP", "IP", "RS", "RE", "br", "sp", "ie", "el", "if", "nf", "fi"];

/// What every formatter would stumble over.
#[track_caller]
fn is_a_page(name: &str, text: &str) {
    for (at, line) in text.lines().enumerate() {
        let at = at + 1;
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name}:{at}: {line:?}");
        assert!(
            !line.starts_with('\'') || line.starts_with("'\\\""),
            "{name}:{at}: a request by mistake: {line}"
        );
        if let Some(request) = line.strip_prefix('.') {
            let known = request.split([' ', '"']).next().unwrap();
            assert!(MACROS.contains(&known), "{name}:{at}: no macro of man(7): {line}");
        }
    }
    let sections: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
    assert!(
        text.contains(".TH ") && sections.starts_with(&["NAME", "SYNOPSIS", "DESCRIPTION"]),
        "{name}: {sections:?}"
    );
}

/// Where groff is installed it must find nothing to warn of. Where not, the check above has to do.
fn formats(page: &Path) {
    let groff =
        Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(page).stdin(Stdio::null()).output();
    match groff {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{}: {said}", page.display());
        }
        Err(error) => eprintln!("groff is not here ({error}): the pages were checked without it"),
    }
}

#[test]
fn there_is_a_man_page_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("man1");
    assert_eq!(says(&["man", dir.to_str().unwrap()]), "");
    let names: BTreeSet<String> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let expected = commands().into_iter().filter(|command| command != "help");
    for page in expected.map(|command| format!("poold-{command}.1")).chain(["poold.1".into()]) {
        assert!(names.contains(&page), "{page}: {names:?}");
    }
    assert!(names.contains("poold-config-check.1") && !names.iter().any(|name| name.contains("runner")));
    for name in &names {
        is_a_page(name, &fs::read_to_string(dir.join(name)).unwrap());
        formats(&dir.join(name));
    }
    let submit = fs::read_to_string(dir.join("poold-submit.1")).unwrap();
    assert!(
        submit.contains("Exit codes") && submit.contains("POOLD\\_SERVER") || submit.contains("POOLD_SERVER")
    );
    assert_eq!(says(&["man"]), fs::read_to_string(dir.join("poold.1")).unwrap());
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(POOLD).arg("man").arg(file.path()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && error.contains(file.path().to_str().unwrap()), "{error}");
}
