//! Keys as people have them: made by `ssh-keygen`, encrypted, of the wrong type, or not keys at all.

use executor_ssh::{KeyError, KeyOrigin, PrivateKey};
use secrecy::ExposeSecret;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A new key file, made by OpenSSH's own program.
fn ssh_keygen(directory: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    let path = directory.join(name);
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-C", "someone@somewhere", "-f"]).arg(&path).args(arguments);
    let output = command.output().expect("ssh-keygen is missing: install openssh-client");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    path
}

#[test]
fn keys_of_openssh_are_read_and_their_public_half_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    for (name, arguments) in [
        ("ed25519", &["-t", "ed25519", "-N", ""][..]),
        ("p256", &["-t", "ecdsa", "-b", "256", "-N", ""]),
        ("p384", &["-t", "ecdsa", "-b", "384", "-N", ""]),
        ("p521", &["-t", "ecdsa", "-b", "521", "-N", ""]),
        ("pkcs8", &["-t", "ecdsa", "-b", "256", "-N", "", "-m", "PKCS8"]),
        ("pem", &["-t", "ecdsa", "-b", "256", "-N", "", "-m", "PEM"]),
    ] {
        let path = ssh_keygen(directory.path(), name, arguments);
        let key = PrivateKey::from_file(&path).unwrap();
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        assert_eq!(format!("{} someone@somewhere\n", key.public_key().0), public, "{name}");

        let again = PrivateKey::from_openssh(key.to_openssh().expose_secret()).unwrap();
        assert_eq!(again.public_key(), key.public_key(), "{name}");
    }
}

#[test]
fn a_generated_key_is_understood_by_openssh() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let key = PrivateKey::generate();
    fs::write(&path, key.to_openssh().expose_secret()).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let output = Command::new("ssh-keygen").arg("-y").arg("-f").arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), key.public_key().0);
    assert_ne!(PrivateKey::generate().public_key(), key.public_key());
}

#[test]
fn rsa_keys_are_refused_in_every_form() {
    let directory = tempfile::tempdir().unwrap();
    for (name, arguments) in [
        ("openssh", &["-t", "rsa", "-b", "2048", "-N", ""][..]),
        ("pem", &["-t", "rsa", "-b", "2048", "-N", "", "-m", "PEM"]),
        ("pkcs8", &["-t", "rsa", "-b", "2048", "-N", "", "-m", "PKCS8"]),
    ] {
        let path = ssh_keygen(directory.path(), name, arguments);
        let error = PrivateKey::from_file(&path).unwrap_err();
        assert!(matches!(error, KeyError::Unsupported { .. }), "{name}: {error:?}");
        let shown = error.to_string();
        assert!(shown.contains(&path.display().to_string()), "{shown}");
        assert!(shown.to_lowercase().contains("rsa") && shown.contains("ed25519"), "{shown}");
    }
}

#[test]
fn encrypted_keys_are_refused_in_every_form() {
    let directory = tempfile::tempdir().unwrap();
    for (name, arguments) in [
        ("openssh", &["-t", "ed25519", "-N", "passphrase"][..]),
        ("pem", &["-t", "ecdsa", "-N", "passphrase", "-m", "PEM"]),
        ("pkcs8", &["-t", "ecdsa", "-N", "passphrase", "-m", "PKCS8"]),
    ] {
        let path = ssh_keygen(directory.path(), name, arguments);
        let error = PrivateKey::from_file(&path).unwrap_err();
        assert!(matches!(error, KeyError::Encrypted { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains("passphrase"), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn what_is_no_key_is_named_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let error = PrivateKey::from_file(&missing).unwrap_err();
    assert!(matches!(&error, KeyError::Unreadable { path, .. } if *path == missing), "{error:?}");
    assert!(error.to_string().contains("missing"), "{error}");
    assert!(matches!(PrivateKey::from_file(directory.path()), Err(KeyError::Unreadable { .. })));

    // Never ends; read up to a bound.
    assert!(matches!(PrivateKey::from_file("/dev/zero"), Err(KeyError::NotAKey { .. })));

    let key = PrivateKey::generate();
    let public = PrivateKey::from_openssh(&key.public_key().0).unwrap_err();
    assert!(matches!(public, KeyError::PublicKey { origin: KeyOrigin::Text }), "{public:?}");

    let whole = key.to_openssh();
    let damaged = whole.expose_secret().replace("AAAA", "AAAB");
    let cut: String = whole.expose_secret().lines().take(2).collect::<Vec<_>>().join("\n");
    for text in ["", "hunter2", "-----BEGIN OPENSSH PRIVATE KEY-----\n", &damaged, &cut] {
        let error = PrivateKey::from_openssh(text).unwrap_err();
        assert!(matches!(error, KeyError::NotAKey { origin: KeyOrigin::Text, .. }), "{error:?}");
        assert!(error.to_string().contains("ssh-keygen"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn a_key_is_never_shown() {
    let key = PrivateKey::generate();
    let shown = format!("{key:?} {:?}", key.to_openssh());
    assert!(shown.contains(&key.public_key().0));
    for line in key.to_openssh().expose_secret().lines().filter(|line| !line.starts_with("-----")) {
        // The first lines hold the public half; the last one is secret for sure.
        if !key.public_key().0.contains(line) {
            assert!(!shown.contains(line));
        }
    }
    assert!(!shown.contains("PRIVATE KEY"));
}
