//! Commands over the network, against the program itself.

use super::support::{Place, brisk};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    process::{Command, Stdio},
};

/// A place that listens on the network too, with TLS and a certificate of its own authority.
struct Remote {
    place: Place,
    url: String,
}

impl Remote {
    fn serving() -> Self {
        // Free now; the next start must have the same one.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut place = Place::new("");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let dir = place.path().to_owned();
        let file = |name: &str| dir.join(name);
        fs::write(file("ca.pem"), authority.pem()).unwrap();
        fs::write(file("tls.pem"), certificate.pem()).unwrap();
        fs::write(file("tls.key"), key.serialize_pem()).unwrap();
        let api = format!(
            "\n[api]\nlisten = \"{address}\"\ntls_certificate = {:?}\ntls_key = {:?}\n",
            file("tls.pem"),
            file("tls.key")
        );
        place.configure(&(brisk() + &api));
        // It does not listen where nobody could be let in.
        fs::write(file("admin"), place.says(&["token", "create", "root", "--role", "admin"])).unwrap();
        place.serve();
        fs::write(file("alice"), place.says(&["token", "create", "alice", "--role", "submit"])).unwrap();
        Self { place, url: format!("https://localhost:{}", address.port()) }
    }

    /// A command elsewhere, by this token.
    fn command(&self, token: &str, arguments: &[&str]) -> Command {
        let file = |name: &str| self.place.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_poold"));
        command
            .args(arguments)
            .env_remove("POOLD_STATE_DIR")
            .env("POOLD_SERVER", &self.url)
            .env("POOLD_TOKEN_FILE", file(token))
            .env("POOLD_CA_FILE", file("ca.pem"))
            .stdin(Stdio::null());
        command
    }

    /// Exit code, standard output and standard error.
    fn run(&self, token: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.command(token, arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

#[test]
fn commands_work_over_the_network_as_far_as_the_token_goes() {
    let mut remote = Remote::serving();
    let (code, out, error) =
        remote.run("alice", &["submit", "--follow", "--", "sh", "-c", "echo far; exit 7"]);
    assert_eq!((code, out.as_str()), (Some(7), "far\n"), "{error}");
    let (code, out, error) = remote.run("alice", &["status", "--json"]);
    assert!(code == Some(0) && out.contains("\"complete\": 1"), "{out}{error}");
    let (code, out, _) = remote.run("alice", &["explain", "1"]);
    assert!(code == Some(0) && out.contains("complete"), "{out}");
    // Its worker may be gone by now: who may not is told so first.
    let (code, _, error) = remote.run("alice", &["hold", "i-1", "--reason", "a look"]);
    assert!(code == Some(1) && error.contains("admin"), "{error}");
    let (code, _, error) = remote.run("admin", &["hold", "i-nothere", "--reason", "a look"]);
    assert!(code == Some(1) && error.contains("i-nothere"), "{error}");
    let revoked = remote.place.says(&["token", "revoke", "alice"]);
    let (code, _, error) = remote.run("alice", &["status"]);
    assert!(
        code == Some(1) && error.contains("401: the token is wrong, expired or revoked"),
        "{revoked}{error}"
    );
    let token = fs::read_to_string(remote.place.path().join("alice")).unwrap();
    assert!(!error.contains(token.trim()) && !remote.place.log().contains(token.trim()));
    let output = remote.command("alice", &["status"]).env_remove("POOLD_TOKEN_FILE").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("the server wants a token"));
    let output = remote.command("admin", &["status"]).env_remove("POOLD_CA_FILE").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("--ca-file"));
    remote.place.until_no_instance_is_left();
    remote.place.stop();
    let (code, _, error) = remote.run("admin", &["status"]);
    assert!(code == Some(3) && error.contains("nobody listens"), "{error}");
}

#[test]
fn following_over_the_network_goes_on_when_the_server_was_killed() {
    let mut remote = Remote::serving();
    let go = remote.place.path().join("go");
    let script = format!("echo one; while [ ! -e {go:?} ]; do sleep 0.05; done; echo two; exit 3");
    let mut follow = remote
        .command("alice", &["submit", "--follow", "--", "sh", "-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(follow.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "one\n");
    remote.place.kill();
    remote.place.serve();
    fs::write(&go, "").unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), follow.wait().unwrap().code()), ("two\n", Some(3)), "{}", remote.place.log());
    remote.place.ends_with_nothing_left();
}
