//! OpenSSH's own server, one process per connection (`sshd -i`, as systemd's socket activation runs it).
//!
//! The test accepts the connections itself and hands each to a new sshd. So there is no port that another
//! program could take first, and each connection can be counted, frozen and killed.

use executor_ssh::PrivateKey;
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::ExposeSecret;
use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};
use tokio::{net::TcpListener, task::JoinHandle};

const SSHD: &str = "/usr/sbin/sshd";

/// Stops, with all its connections, when dropped.
pub struct Sshd {
    pub address: String,
    directory: tempfile::TempDir,
    sessions: Arc<Mutex<Vec<Child>>>,
    accepting: JoinHandle<()>,
}

impl Sshd {
    /// On a free port of the loopback, accepting this key for every user. `extra` are lines of sshd_config.
    ///
    /// # Panics
    /// When there is no sshd: these tests are worth nothing without.
    pub async fn start(allowed: &PrivateKey, extra: &str) -> Self {
        assert!(
            Path::new(SSHD).exists(),
            "{SSHD} is missing: these tests run against OpenSSH's own server. Install it (Debian, Ubuntu: \
             apt-get install openssh-server; Fedora: dnf install openssh-server)"
        );
        if is_root() {
            // Where sshd locks itself in before login; the distribution's service makes it at boot.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let directory = tempfile::tempdir().unwrap();
        // A user other than root reads the authorized keys on login.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let sshd = Self {
            address: String::new(),
            directory,
            sessions: Arc::default(),
            accepting: tokio::spawn(async {}),
        };
        sshd.set_host_key(&PrivateKey::generate());
        let path = |name: &str| sshd.directory.path().join(name).display().to_string();
        fs::write(path("authorized_keys"), allowed.public_key().0 + "\n").unwrap();
        fs::set_permissions(path("authorized_keys"), fs::Permissions::from_mode(0o644)).unwrap();
        let config = format!(
            "{extra}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             LogLevel VERBOSE\n\
             # Without the start-up files of whoever runs the tests: they may print something.\n\
             SetEnv HOME={}\n",
            path("host_key"),
            path("authorized_keys"),
            path("")
        );
        fs::write(path("config"), config).unwrap();
        sshd.listen().await
    }

    async fn listen(mut self) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.address = listener.local_addr().unwrap().to_string();
        let (config, log) = (self.directory.path().join("config"), self.directory.path().join("log"));
        let sessions = Arc::clone(&self.sessions);
        self.accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stream = stream.into_std().unwrap();
                stream.set_nonblocking(false).unwrap();
                let input = Stdio::from(std::os::fd::OwnedFd::from(stream.try_clone().unwrap()));
                let output = Stdio::from(std::os::fd::OwnedFd::from(stream));
                let log = fs::File::options().create(true).append(true).open(&log).unwrap();
                let session = Command::new(SSHD)
                    .args(["-i", "-e", "-f"])
                    .arg(&config)
                    .stdin(input)
                    .stdout(output)
                    .stderr(log)
                    // So that it can be frozen and killed as a whole.
                    .process_group(0)
                    .spawn()
                    .unwrap();
                sessions.lock().unwrap().push(session);
            }
        });
        self
    }

    /// The host key of connections from now on. Returns its fingerprint.
    pub fn set_host_key(&self, key: &PrivateKey) -> String {
        let path = self.directory.path().join("host_key");
        fs::write(&path, key.to_openssh().expose_secret()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let key = russh::keys::ssh_key::PublicKey::from_openssh(&key.public_key().0).unwrap();
        key.fingerprint(russh::keys::HashAlg::Sha256).to_string()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.sessions.lock().unwrap().len()
    }

    /// Sends a signal to the latest connection's processes of sshd.
    pub fn signal(&self, signal: Signal) {
        let sessions = self.sessions.lock().unwrap();
        kill_process_group(Pid::from_child(sessions.last().unwrap()), signal).unwrap();
    }

    /// What sshd said, to be shown when a test fails.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.accepting.abort();
        for session in self.sessions.lock().unwrap().iter_mut() {
            // Not yet waited for, so the process group is still this one's. KILL also ends a frozen one.
            let _ = kill_process_group(Pid::from_child(session), Signal::KILL);
            let _ = session.wait();
        }
        if std::thread::panicking() {
            eprintln!("sshd's log:\n{}", self.log());
        }
    }
}

/// True when these tests may log in as any user and add one.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whom this user may log in as: sshd that is not started by root can only serve its own user.
pub fn own_name() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
