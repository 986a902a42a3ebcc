//! The daemon with this driver in it.

use std::process::{Command, Output};

const CONFIG: &str = r#"
[pool]
instance_set = "template-test"

[[pool.instance_types]]
name = "small"
provider_type = "t.small"
vcpus = 1
memory = "1 GiB"
price = 0.01

[driver]
name = "template"
"#;

fn check(config: &str, file: &str) -> Output {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
    std::fs::write(&path, config).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_my-poold"));
    let output = command.args(["config", "check", "--config"]).arg(&path).output();
    output.unwrap_or_else(|error| panic!("my-poold: {error}"))
}

#[test]
fn a_configuration_can_choose_the_driver() {
    let output = check(CONFIG, "good.toml");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_drivers_options_are_checked_by_the_driver() {
    let output = check(&format!("{CONFIG}\n[driver.options]\nzones = []\n"), "bad.toml");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("driver.options.zones: name at least one"), "{said}");
}

#[test]
fn a_driver_that_is_not_there_is_named_with_those_that_are() {
    let output = check(&CONFIG.replace("\"template\"", "\"tempalte\""), "unknown.toml");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("template") && said.contains("loopback"), "{said}");
}
