//! What goes wrong around the program.

use super::support::{CONFIG, Place};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;

#[test]
fn it_serves_and_stops_when_its_log_cannot_be_written() {
    let mut place = Place::new(CONFIG);
    // Every write to it fails as on a full disk.
    let full = File::options().write(true).open("/dev/full").unwrap();
    let config = place.config();
    let mut serve = place.command(&["serve", "--log", "debug", "--config", config.to_str().unwrap()]);
    let mut serving = serve.stdout(full.try_clone().unwrap()).stderr(full).spawn().unwrap();
    place.until("poold serve answers or ends", |place| {
        serving.try_wait().unwrap().is_some() || place.run(&["status"]).status.success()
    });
    let done = place.run(&["submit", "--wait", "--", "true"]);
    kill_process(Pid::from_child(&serving), Signal::TERM).unwrap();
    let ended = serving.wait().unwrap();
    assert_eq!((done.status.code(), ended.code()), (Some(0), Some(0)), "{ended}");
}
