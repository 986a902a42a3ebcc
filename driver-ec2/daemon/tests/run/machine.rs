//! A machine: a directory, an sshd, and all processes that have to do with it.

use executor_ssh::PrivateKey;
use rustix::process::{Pid, Signal, kill_process};
use secrecy::ExposeSecret as _;
use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::fs::PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

const SSHD: &str = "/usr/sbin/sshd";

/// Ends with all its processes when it is dropped.
pub(crate) struct Machine {
    dir: PathBuf,
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
    sessions: Arc<Mutex<Vec<Child>>>,
}

impl Machine {
    /// Boots it: runs the user data, then lets the key in.
    pub(crate) fn boot(dir: &Path, user_data: &[u8], authorized_key: &str) -> io::Result<Self> {
        let root = dir.join("root");
        fs::create_dir_all(dir)?;
        // sshd reads what is in it as another user.
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
        let script = dir.join("user-data");
        fs::write(&script, user_data)?;
        let status =
            Command::new("sh").arg(&script).env("POOL_WORKER_ROOT", &root).current_dir(dir).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("the user data has failed: {status}")));
        }
        let config = sshd_config(dir, authorized_key)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut machine = Self {
            dir: dir.to_owned(),
            address: listener.local_addr()?,
            stopping: Arc::default(),
            accepting: None,
            sessions: Arc::default(),
        };
        let (stopping, sessions) = (Arc::clone(&machine.stopping), Arc::clone(&machine.sessions));
        machine.accepting = Some(thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
                match serve(&config, stream) {
                    Ok(child) => sessions.lock().unwrap_or_else(PoisonError::into_inner).push(child),
                    Err(error) => eprintln!("sshd cannot be started: {error}"),
                }
            }
        }));
        // In one step: it is read at any time.
        fs::write(dir.join("address.new"), machine.address.to_string())?;
        fs::rename(dir.join("address.new"), dir.join("address"))?;
        Ok(machine)
    }
}

fn sshd_config(dir: &Path, authorized_key: &str) -> io::Result<PathBuf> {
    let path = |name: &str| dir.join(name);
    fs::write(path("host_key"), PrivateKey::generate().to_openssh().expose_secret())?;
    fs::set_permissions(path("host_key"), fs::Permissions::from_mode(0o600))?;
    fs::write(path("authorized_keys"), format!("{authorized_key}\n"))?;
    let dir = dir.display();
    let config = format!(
        "HostKey {dir}/host_key\nAuthorizedKeysFile {dir}/authorized_keys\nPidFile none\nStrictModes no\nUsePAM no\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nSetEnv HOME={dir}\n"
    );
    fs::write(path("sshd_config"), config)?;
    Ok(path("sshd_config"))
}

/// One sshd for each connection, as with systemd's socket activation.
fn serve(config: &Path, stream: TcpStream) -> io::Result<Child> {
    let log = fs::File::options().create(true).append(true).open(config.with_file_name("sshd.log"))?;
    let mut command = Command::new(SSHD);
    command.args(["-i", "-e", "-f"]).arg(config);
    command.stdin(OwnedFd::from(stream.try_clone()?)).stdout(OwnedFd::from(stream)).stderr(Stdio::from(log));
    command.spawn()
}

/// Processes, but for this one, that have this path in their command line, environment or current directory.
pub(crate) fn processes_of(dir: &Path) -> Vec<Pid> {
    let needle = dir.display().to_string();
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = names.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| u32::try_from(*pid) != Ok(std::process::id()) && *pid > 1)
        .filter(|pid| {
            let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let text = [read("cmdline"), read("environ")].concat();
            let cwd = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
            cwd.starts_with(dir) || text.windows(needle.len()).any(|part| part == needle.as_bytes())
        })
        .filter_map(Pid::from_raw)
        .collect()
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // Wakes who accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
        // What is killed may have started another meanwhile.
        for _ in 0..100 {
            let found = processes_of(&self.dir);
            for pid in &found {
                let _ = kill_process(*pid, Signal::KILL);
            }
            for child in self.sessions.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
                drop(child.try_wait());
            }
            if found.is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        drop(fs::remove_dir_all(&self.dir));
    }
}
