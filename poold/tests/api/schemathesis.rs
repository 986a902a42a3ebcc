//! The API is as its description says: schemathesis asks all that the description allows, and much that it does not. It needs Python
//! with venv, and is installed from `PyPI`; without them the test fails.

use crate::network::Network;
use stand_in::Python;
use std::path::Path;

#[test]
fn every_answer_is_one_that_the_description_has_and_none_is_a_failure_of_the_server() {
    let network = Network::serving("max_requests_per_second = 0");
    let python = Python {
        name: "poold-schemathesis",
        folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/schemathesis"),
        advice: "schemathesis is installed from PyPI with pip: see that it can be reached",
        install_variable: "SCHEMATHESIS_INSTALL_SECONDS",
    };
    let mut program = python.program("run.py").unwrap_or_else(|error| panic!("{error}"));
    let output = program
        .arg(format!("http://{}/openapi.json", network.address))
        .args(["--header", &format!("Authorization: Bearer {}", network.admin)])
        // An answer that never ends: each question would last until its time is over.
        .args(["--exclude-path", "/v1/events"])
        // The same questions each time: a failure can be looked at again.
        .args(["--seed", "1", "--max-examples", "50", "--request-timeout", "20", "--no-color"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        network.place.log()
    );
    // It has asked, and about all of it.
    let operations = said.lines().find_map(|line| line.trim().strip_prefix("Tested: ")).unwrap();
    assert!(operations.trim().parse::<u32>().unwrap() >= 21, "{said}");
}
