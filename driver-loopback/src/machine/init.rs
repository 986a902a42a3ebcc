//! The init command.

use super::{Environment, InstanceDir};
use crate::{LoopbackError, model::BootFate};
use pool_api::InitCommand;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use std::{fs, os::unix::fs::OpenOptionsExt, process::ExitStatus};

/// The shortest run of hexadecimal digits that is taken for a secret when another host is played.
const SECRET_DIGITS: usize = 32;

/// The script that an instance runs: byte for byte the one that was asked for, unless the fate of the instance is to
/// be another host, with other secrets.
pub(crate) fn init_script(init: &InitCommand, fate: BootFate) -> String {
    match fate {
        BootFate::AnotherHost(seed) => with_other_secrets(init.expose(), seed),
        BootFate::Well | BootFate::Fails => init.expose().to_owned(),
    }
}

fn with_other_secrets(script: &str, seed: u64) -> String {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut changed = String::with_capacity(script.len());
    for run in script.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let digits = run.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        if digits.len() >= SECRET_DIGITS {
            changed
                .extend(digits.chars().map(|_| char::from_digit(rng.random_range(0..16), 16).unwrap_or('0')));
            changed.push_str(&run[digits.len()..]);
        } else {
            changed.push_str(run);
        }
    }
    changed
}

/// Runs the init command to its end, its output into the boot log, and removes it, for it holds the secret.
///
/// Cancel safety: when dropped, the command goes on, and its file stays.
pub(crate) async fn run_init(
    dir: &InstanceDir,
    environment: &Environment,
) -> Result<ExitStatus, LoopbackError> {
    let log_path = dir.boot_log();
    let failed = || LoopbackError::storage("write", log_path.clone());
    let log =
        fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&log_path).map_err(failed())?;
    let status = environment
        .shell([dir.init()])
        .stdout(log.try_clone().map_err(failed())?)
        .stderr(log)
        .spawn()
        .map_err(LoopbackError::storage("run", dir.init()))?
        .wait()
        .await
        .map_err(LoopbackError::storage("run", dir.init()))?;
    fs::remove_file(dir.init()).map_err(LoopbackError::storage("remove", dir.init()))?;
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_host_has_another_secret_and_nothing_else() {
        let secret = "0123456789abcdef0123456789abcdef01234567";
        let script = format!("echo {secret} > secret; echo café deadbeef");
        let other = with_other_secrets(&script, 7);
        assert_eq!(other.len(), script.len());
        assert!(!other.contains(secret));
        assert!(other.ends_with(" > secret; echo café deadbeef"), "{other}");
        assert_eq!(other, with_other_secrets(&script, 7));
        assert_ne!(other, with_other_secrets(&script, 8));
    }
}
