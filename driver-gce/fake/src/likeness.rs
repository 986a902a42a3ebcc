//! Whether exchanges are as on Compute Engine: they are held against the API's published description, and the provider's own
//! client for Python is sent through a life of instances.
//!
//! Both are programs in Python, in the folder `likeness` of this package; what they need is installed from `PyPI`, once, into a
//! virtual environment below cargo's target folder.

use stand_in::{Exchange, Python};
use std::{path::Path, process::Command};

fn program(name: &str) -> Result<Command, String> {
    let python = Python {
        name: "gce-likeness",
        folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("likeness"),
        advice: "the provider's client and the description of its API are installed from PyPI with pip: see that it can be reached",
        install_variable: "GCE_LIKENESS_INSTALL_SECONDS",
    };
    python.program(name)
}

/// What is wrong with these exchanges by the API's published description: unknown paths, parameters and fields, wrong types,
/// values that an enumeration does not have, what is required and missing, errors of another shape. Each problem is there once,
/// and says where it was seen; no value of the metadata is in it. An exchange with the status 0 is a request alone, which
/// nothing has answered. Waits for the installation, the first time.
///
/// # Errors
/// When the exchanges cannot be checked: what is missing, and how to get it.
pub fn check(exchanges: &[Exchange]) -> Result<Vec<String>, String> {
    // No document of the caller's: the published one.
    stand_in::check(program("check_exchanges.py")?.arg(""), exchanges)
}

/// Sends the provider's own client through the life of three instances in the first two of these zones, on the server at this
/// URL. In `full_zone`, if there is one, it creates another, which must fail as where nothing is left to be had. Gives a line
/// for each step. Waits for the installation, the first time.
///
/// # Errors
/// The step that did not go as on Compute Engine, and how it went; or what is missing, and how to get it.
pub fn walk(url: &str, project: &str, zones: &[&str], full_zone: Option<&str>) -> Result<String, String> {
    let mut program = program("client_walk.py")?;
    stand_in::walk(program.args([url, project, &zones.join(",")]).args(full_zone), url)
}
