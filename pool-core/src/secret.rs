//! Instance secrets: how a host proves that it is the one that was created.

use pool_api::{InitCommand, ROOT_VARIABLE};
use pool_state::{FreshInstance, SecretHash};
use rand::{Rng, RngExt as _};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::sync::{Mutex, PoisonError};
use subtle::ConstantTimeEq;

/// The file that holds the secret, below the instance's root.
pub(crate) const SECRET_FILE: &str = "instance-secret";

/// Where secrets and tokens come from.
pub(crate) enum Chance {
    System,
    Given(Mutex<Box<dyn Rng + Send>>),
}

impl Chance {
    /// A new secret of 40 hexadecimal digits, and what the decisions may know of it.
    pub(crate) fn fresh(&self) -> (SecretString, FreshInstance) {
        match self {
            Self::System => fresh(&mut rand::rng()),
            Self::Given(rng) => fresh(&mut **rng.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

fn fresh(rng: &mut (impl Rng + ?Sized)) -> (SecretString, FreshInstance) {
    let secret = SecretString::from(hex::encode(rng.random::<[u8; 20]>()));
    let token = pool_api::IdempotencyToken::from_bits(rng.random());
    let hash = hash(&secret);
    (secret, FreshInstance { secret: hash, token })
}

fn hash(secret: &SecretString) -> SecretHash {
    let digits = hex::encode(Sha256::digest(secret.expose_secret().as_bytes()));
    SecretHash::new(&digits).unwrap_or_else(|| unreachable!("a SHA-256 has 64 hexadecimal digits"))
}

/// Whether what a host read back is the secret with this hash. Compared in constant time.
pub(crate) fn is_secret(read_back: &[u8], expected_hash: &str) -> bool {
    let digits = hex::encode(Sha256::digest(read_back.trim_ascii_end()));
    digits.as_bytes().ct_eq(expected_hash.as_bytes()).into()
}

/// What an instance runs at first boot: it stores the secret where only its owner can read it, then does what
/// the operator wants.
pub(crate) fn init_command(secret: &SecretString, operators: &str) -> InitCommand {
    let root = format!("\"${{{ROOT_VARIABLE}:-{}}}\"", pool_api::DEFAULT_ROOT);
    let secret = secret.expose_secret();
    let store = format!(
        "( umask 077; mkdir -p {root} && printf %s {secret} > {root}/{SECRET_FILE}.new && \
         mv {root}/{SECRET_FILE}.new {root}/{SECRET_FILE} ) || exit 1\n"
    );
    InitCommand::new(store + operators)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_40_hex_digits_and_only_its_hash_is_shown() {
        let (secret, fresh) = Chance::System.fresh();
        assert_eq!(secret.expose_secret().len(), 40);
        assert!(secret.expose_secret().bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(!format!("{secret:?}{fresh:?}").contains(secret.expose_secret()));
        assert!(is_secret(format!("{}\n", secret.expose_secret()).as_bytes(), fresh.secret.as_str()));
        assert!(!is_secret(b"", fresh.secret.as_str()));
    }

    #[test]
    fn the_init_command_stores_the_secret_then_runs_the_operators() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a root");
        let (secret, _) = Chance::System.fresh();
        let script = init_command(&secret, "echo hi > \"$POOL_WORKER_ROOT/operators\"");
        let status = std::process::Command::new("sh")
            .args(["-c", script.expose()])
            .env(ROOT_VARIABLE, &root)
            .status()
            .unwrap();
        assert!(status.success());
        assert_eq!(std::fs::read_to_string(root.join(SECRET_FILE)).unwrap(), secret.expose_secret());
        assert_eq!(std::fs::read_to_string(root.join("operators")).unwrap(), "hi\n");
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(root.join(SECRET_FILE)).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }
}
