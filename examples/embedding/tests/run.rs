//! The example does what it says.

use std::process::Command;

#[test]
fn the_steps_run_in_their_order_and_the_program_ends_well() {
    let output = Command::new(env!("CARGO_BIN_EXE_embedding")).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "left: 20\nright: 22\nsum: 42\n", "{error}");
}
