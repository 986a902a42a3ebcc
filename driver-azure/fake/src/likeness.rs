//! Whether exchanges are as on Azure: they are held against what the provider has published, and the provider's own client for
//! Python is sent through a life of machines.
//!
//! Both are programs in Python, in the folder `likeness` of this package; what they need is installed from `PyPI`, once, into a
//! virtual environment below cargo's target folder.

use crate::Settings;
use serde::Deserialize;
use stand_in::{Exchange, Python};
use std::{env, path::Path, process::Command};

/// The folder of what the provider publishes besides its client.
const SPECS_VARIABLE: &str = "AZURE_SPECS";

fn program(name: &str) -> Result<Command, String> {
    let python = Python {
        name: "azure-likeness",
        folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("likeness"),
        advice: "the provider's client is installed from PyPI with pip: see that it can be reached",
        install_variable: "AZURE_LIKENESS_INSTALL_SECONDS",
    };
    python.program(name)
}

/// What has been found in exchanges, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Comparison {
    /// What they were held against.
    pub against: Vec<String>,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// What is wrong with these exchanges, as [`compare`] finds it.
///
/// # Errors
/// When the exchanges cannot be checked: what is missing, and how to get it.
pub fn check(exchanges: &[Exchange]) -> Result<Vec<String>, String> {
    Ok(compare(exchanges)?.problems)
}

/// What is wrong with these exchanges by what is published: unknown paths, parameters and fields, wrong types and statuses, values
/// that an enumeration does not have, what is required and missing, what is only for requests or only for responses, errors and
/// states of operations of another shape. Each problem is there once, and says where it was seen; no value that could be a secret is
/// in it. An exchange with the status 0 is a request alone, which nothing has answered.
///
/// They are held against the models of the provider's own client, and also against the types of Bicep and the schemas of templates in
/// the folder that the variable `AZURE_SPECS` names, if it is set: `*.bicep-types.json` and `*.schema.json`. Waits for the
/// installation, the first time.
///
/// # Errors
/// When the exchanges cannot be checked: what is missing, and how to get it.
pub fn compare(exchanges: &[Exchange]) -> Result<Comparison, String> {
    let folder = env::var_os(SPECS_VARIABLE).filter(|folder| !folder.is_empty());
    compare_with(exchanges, folder.as_deref().map(Path::new))
}

/// As [`compare`], with this folder in place of the variable's.
///
/// # Errors
/// When the exchanges cannot be checked: what is missing, and how to get it.
pub fn compare_with(exchanges: &[Exchange], specs: Option<&Path>) -> Result<Comparison, String> {
    stand_in::check(program("check_exchanges.py")?.args(specs), exchanges)
}

/// Sends the provider's own client through the life of three machines, on the server at this URL, which has these settings and
/// nothing in the first of its resource groups. The machines are in the first of its subnets. With a `failure`, the operation of the
/// machine that it creates before them must fail with this code. Gives a line for each step. Waits for the installation, the first
/// time.
///
/// # Errors
/// The step that did not go as on Azure, and how it went; or what is missing, and how to get it.
pub fn walk(url: &str, settings: &Settings, failure: Option<&str>) -> Result<String, String> {
    let Settings { subscription, location, tenant, client_id, client_secret, .. } = settings;
    let group = settings.resource_groups.first().ok_or("the settings have no resource group")?;
    let subnet = settings.subnets.first().ok_or("the settings have no subnet")?;
    let subnet = format!(
        "/subscriptions/{subscription}/resourceGroups/{}/providers/Microsoft.Network/virtualNetworks/{}/subnets/{}",
        subnet.group, subnet.network, subnet.name
    );
    let mut program = program("client_walk.py")?;
    program.args([url, subscription, group, location, &subnet, tenant, client_id, client_secret]);
    stand_in::walk(program.args(failure), url)
}
