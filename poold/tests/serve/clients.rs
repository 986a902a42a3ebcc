//! Many commands at once, clients that misbehave, and output that does.

use super::support::{Place, brisk};
use std::{
    fs,
    io::Read as _,
    os::unix::net::UnixStream,
    process::{Command, Stdio},
};

/// As one would find it in a shell: a whole command line on a terminal.
fn on_a_terminal(place: &Place, arguments: &[&str]) -> String {
    let quoted: Vec<String> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
    let line = format!("{} {}", env!("CARGO_BIN_EXE_poold"), quoted.join(" "));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env("POOLD_STATE_DIR", place.state()).stdin(Stdio::null());
    let output = script.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn resident_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

const MEGABYTE: u64 = 1024 * 1024;

#[test]
fn a_hundred_commands_at_once_all_get_their_answers() {
    let mut place = Place::serving(&brisk());
    let go = place.path().join("go");
    let script = format!("echo begun; while [ ! -e {} ]; do sleep 0.05; done; echo ended", go.display());
    let followed = place.submit(&[], &["sh", "-c", &script]);
    place.until_state(&followed, "running");
    let begin = |arguments: &[&str]| {
        place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let followers: Vec<_> = (0..30).map(|_| begin(&["logs", "-f", &followed])).collect();
    let submits: Vec<_> =
        (0..30).map(|_| begin(&["submit", "--cpus", "1", "--wait", "--", "echo", "hi"])).collect();
    let lists: Vec<_> = (0..20).map(|_| begin(&["jobs", "--json"])).collect();
    let others: Vec<_> = (0..20).map(|_| begin(&["explain", &followed])).collect();
    for child in lists.into_iter().chain(others) {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for child in submits {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let id = String::from_utf8(output.stdout).unwrap();
        assert_eq!(place.says(&["logs", id.trim()]), "hi\n");
    }
    fs::write(&go, "").unwrap();
    for child in followers {
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "begun\nended\n");
    }
    assert_eq!(place.jobs().len(), 31);
    place.ends_with_nothing_left();
}

#[test]
fn clients_that_connect_and_say_nothing_disturb_nobody() {
    let mut place = Place::serving(&brisk());
    let socket = place.state().join("run/poold.sock");
    let silent: Vec<UnixStream> = (0..200).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    assert_eq!(place.run(&["submit", "--wait", "--", "true"]).status.code(), Some(0));
    assert_eq!(place.stop(), Some(0), "nor do they keep it from stopping: {}", place.log());
    drop(silent);
    place.serve();
    place.ends_with_nothing_left();
}

#[test]
fn who_does_not_read_on_costs_no_memory_and_gets_all_when_he_does() {
    const SIZE: u64 = 64 * MEGABYTE;
    let mut place = Place::serving(&brisk());
    let script = format!("yes 0123456789abcde | head -c {SIZE}");
    let id = place.submit(&["--output-limit", "64MiB"], &["sh", "-c", &script]);
    let mut followers: Vec<_> =
        (0..4).map(|_| place.command(&["logs", "-f", &id]).stdout(Stdio::piped()).spawn().unwrap()).collect();
    let job = place.until_state(&id, "complete");
    assert_eq!(job["stdout_size"], SIZE, "{job:#}");
    let used = resident_memory(place.pid());
    assert!(used < 150 * MEGABYTE, "{} MiB while four do not read", used / MEGABYTE);
    for follower in &followers {
        let used = resident_memory(follower.id());
        assert!(used < 50 * MEGABYTE, "{} MiB in one that cannot print", used / MEGABYTE);
    }
    let mut text = Vec::new();
    followers[0].stdout.take().unwrap().read_to_end(&mut text).unwrap();
    assert!(text.len() as u64 == SIZE && text.chunks(16).all(|line| line == b"0123456789abcde\n"));
    // The others go away without having read.
    for mut follower in followers {
        drop(follower.stdout.take());
        let status = follower.wait().unwrap();
        assert_eq!(status.code(), Some(0), "whoever reads no more wanted no more");
    }
    assert_eq!(place.run(&["status"]).status.code(), Some(0));
    place.ends_with_nothing_left();
}

#[test]
fn more_output_than_the_limit_is_cut_and_that_is_said() {
    const LIMIT: usize = 16 * MEGABYTE as usize;
    let mut place = Place::serving(&brisk());
    let id = place.submit(&[], &["sh", "-c", "head -c 104857600 /dev/zero | tr '\\0' x"]);
    let job = place.until_state(&id, "complete");
    assert_eq!(job["exit_code"], 0, "the job does not suffer from it: {job:#}");
    let output = place.run(&["logs", &id]);
    let (kept, note) = output.stdout.split_at(LIMIT);
    assert!(kept.iter().all(|byte| *byte == b'x'));
    assert_eq!(String::from_utf8_lossy(note), format!("\n[pool: {} bytes cut]\n", 104_857_600 - LIMIT));
    let used = resident_memory(place.pid());
    assert!(used < 150 * MEGABYTE, "{} MiB", used / MEGABYTE);
    place.ends_with_nothing_left();
}

#[test]
fn a_job_may_print_anything_and_a_pipe_gets_it_as_it_is() {
    let mut place = Place::serving(&brisk());
    let copy = place.path().join("copy");
    let script = format!("head -c 3000000 /dev/urandom | tee {}", copy.display());
    let id = place.submit(&[], &["sh", "-c", &script]);
    place.until_state(&id, "complete");
    let output = place.run(&["logs", &id]);
    assert!(output.stdout == fs::read(&copy).unwrap());

    // As `poold logs … | head -1` does.
    let mut logs =
        place.command(&["logs", &id]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 10];
    logs.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = logs.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*said), (Some(0), ""));

    // And as a full disk does.
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = place.command(&["logs", &id]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("standard output") && !said.contains("panicked"), "{said}");
    place.ends_with_nothing_left();
}

#[test]
fn nothing_that_a_job_says_or_is_called_moves_a_terminal() {
    let mut place = Place::serving(&brisk());
    // Clears the screen, sets the title, asks the terminal to type, in 7 and in 8 bits.
    let evil = "a\u{1b}[2Jb\u{1b}]0;owned\u{7}c\u{1b}[5nd\u{9b}31me\u{202e}f\rg\u{8}h";
    let id = place.submit(
        &["--env", &format!("EVIL={evil}")],
        &["sh", "-c", "echo \"$EVIL\"; echo \"$EVIL\" >&2", evil],
    );
    place.until_state(&id, "complete");
    let harmless = |shown: &str, what: &str| {
        assert!(shown.contains("owned"), "{what}: it is shown: {shown:?}");
        for bad in ['\u{1b}', '\u{7}', '\u{9b}', '\u{8}', '\u{202e}'] {
            assert!(!shown.contains(bad), "{what}: {bad:?} in {shown:?}");
        }
    };
    harmless(&on_a_terminal(&place, &["logs", &id]), "logs");
    harmless(&on_a_terminal(&place, &["logs", "-f", &id]), "logs -f");
    harmless(&on_a_terminal(&place, &["job", &id]), "job");
    harmless(&on_a_terminal(&place, &["explain", "--json", &id]), "explain --json");
    harmless(&on_a_terminal(&place, &["job", "--json", &id]), "job --json");
    let raw = on_a_terminal(&place, &["logs", "--raw", &id]);
    assert!(raw.contains("\u{1b}[2J"), "only who asks for it gets it: {raw:?}");
    let kept = place.says(&["logs", "--stream", "stdout", &id]);
    assert_eq!(kept, format!("{evil}\n"), "it is kept as it is");
    place.ends_with_nothing_left();
}
