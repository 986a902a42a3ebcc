//! A `poold serve` that is asked over TCP.

use crate::support::{CONFIG, PATIENCE, Place};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    thread,
    time::{Duration, Instant},
};

/// It, its address and a token for each role.
pub(crate) struct Network {
    pub(crate) place: Place,
    pub(crate) address: String,
    pub(crate) admin: String,
}

impl Network {
    /// `api` is what the section `api` holds besides the address.
    pub(crate) fn serving(api: &str) -> Self {
        let place = Place::new(&format!("{CONFIG}\n[api]\nlisten = \"127.0.0.1:0\"\n{api}\n"));
        // Jobs of chance find no program to run.
        let runner = place.path().join("runner");
        let poold = env!("CARGO_BIN_EXE_poold");
        fs::write(&runner, format!("#!/bin/sh\nPATH=/nowhere exec '{poold}' \"$@\"\n")).unwrap();
        fs::set_permissions(&runner, fs::Permissions::from_mode(0o755)).unwrap();
        let mut place = place.with_variable("POOLD__RUNNER__PROGRAM", runner.to_str().unwrap());
        let output = place.command(&["token", "create", "tester", "--role", "admin"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let admin = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        place.serve();
        let address = address(&place);
        Self { place, address, admin }
    }
}

/// Where it listens, as it says.
fn address(place: &Place) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let log = place.log();
        let said = log.split("http://").nth(1).and_then(|rest| rest.split(';').next());
        if let Some(address) = said {
            return address.to_owned();
        }
        assert!(Instant::now() < deadline, "{log}");
        thread::sleep(Duration::from_millis(20));
    }
}
