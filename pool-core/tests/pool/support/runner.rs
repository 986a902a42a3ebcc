//! The runner program, which a test program cannot be itself.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

static RUNNER: LazyLock<PathBuf> = LazyLock::new(|| {
    // TARGET/PROFILE/deps/pool-0123
    let exe = std::env::current_exe().unwrap();
    let profile_dir = exe.parent().and_then(Path::parent).unwrap();
    let target = profile_dir.parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "pool-runner", "--target-dir"]).arg(target);
    cargo.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    match profile_dir.file_name().and_then(|name| name.to_str()) {
        Some("debug") => {}
        Some(profile) => {
            cargo.args(["--profile", profile]);
        }
        None => panic!("{} is in no profile's directory", exe.display()),
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    profile_dir.join("pool-runner")
});

/// Built once a test process, in the same profile and target directory.
pub(crate) fn runner_program() -> &'static Path {
    &RUNNER
}
