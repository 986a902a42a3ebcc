//! The log, as programs read it.

use super::support::{CONFIG, Place};
use serde_json::Value;
use std::process::Stdio;

/// Runs until `then` has stopped it, and returns what it has written, each line as JSON.
fn written(
    place: &mut Place,
    arguments: &[&str],
    then: impl FnOnce(&mut Place, u32),
) -> (Option<i32>, Vec<Value>) {
    let config = place.config();
    let mut serve = place.command(&[&["serve", "--config", config.to_str().unwrap()], arguments].concat());
    let serving = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    then(place, serving.id());
    let output = serving.wait_with_output().unwrap();
    assert!(output.stdout.is_empty());
    let lines = String::from_utf8(output.stderr).unwrap();
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    (output.status.code(), lines.lines().map(parse).collect())
}

fn messages(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["fields"]["message"].as_str().unwrap()).collect()
}

#[test]
fn as_json_every_line_is_json_from_the_start_to_the_stop() {
    for format in [&["--log-json"][..], &["--log-format", "json"]] {
        let mut place = Place::new(CONFIG);
        let (code, lines) = written(&mut place, format, |place, pid| {
            place.until("poold serve answers", |place| place.run(&["status"]).status.success());
            let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        });
        assert_eq!(code, Some(0));
        let messages = messages(&lines);
        assert!(messages.contains(&"serving"), "{messages:?}");
        assert!(messages.iter().any(|message| message.starts_with("stopping")), "{messages:?}");
    }
}

#[test]
fn as_json_the_last_error_is_json_too() {
    let mut place = Place::new(&CONFIG.replace("max_instances = 8", "max_instances = 'many'"));
    let (code, lines) = written(&mut place, &["--log-format", "json"], |_, _| {});
    assert_eq!(code, Some(2));
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&line["level"], &line["fields"]["exit_code"]), (&"ERROR".into(), &2.into()));
    assert!(line["fields"]["error"].as_str().unwrap().contains("max_instances"), "{line}");
}
