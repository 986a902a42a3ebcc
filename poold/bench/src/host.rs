//! What executors are measured on: OpenSSH's own server, and an instance of the loopback driver.

use crate::error::BenchError;
use async_trait::async_trait;
use driver_loopback::{LoopbackConfig, LoopbackInstanceSet};
use executor_ssh::{PrivateKey, SshConfig, SshExecutor};
use pool_api::{
    Architecture, ByteSize, Cpus, CreateRequest, DriverContext, HostKey, HostVerifier, HourlyPrice,
    IdempotencyToken, InitCommand, Instance, InstanceSet, InstanceSetId, InstanceType, Lifecycle, Placement,
    Privilege, RemoteUser, Tags, Target, UnverifiedHost, VerifyError,
};
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::ExposeSecret as _;
use std::{
    error::Error,
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt as _, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};

const SSHD: &str = "/usr/sbin/sshd";
/// How many channels both sides allow: more than are ever used at once.
pub(crate) const MOST_CHANNELS: usize = 64;

/// OpenSSH's server, one process a connection (`sshd -i`), on a port that nobody else can take first. It ends with all
/// of its connections when it is dropped.
pub(crate) struct Sshd {
    pub(crate) target: Target,
    /// The file of the key that it lets in.
    pub(crate) key_file: PathBuf,
    sessions: Arc<Mutex<Vec<Child>>>,
    accepting: JoinHandle<()>,
}

impl Sshd {
    /// Works in this folder, and lets this key in as the current user.
    pub(crate) async fn start(dir: &Path, key: &PrivateKey) -> Result<Self, BenchError> {
        if !Path::new(SSHD).exists() {
            return Err(BenchError::Wrong(format!(
                "{SSHD} is missing: install OpenSSH's server (Debian, Ubuntu: apt-get install openssh-server)"
            )));
        }
        let key_file = dir.join("key");
        let config = write_configuration(dir, &key_file, key)
            .map_err(BenchError::failed("write the configuration of sshd"))?;
        let listen = BenchError::failed("listen for connections to sshd");
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let (listener, address) = listener
            .and_then(|listener| {
                let address = listener.local_addr()?.to_string();
                Ok((listener, address))
            })
            .map_err(listen)?;
        let sessions: Arc<Mutex<Vec<Child>>> = Arc::default();
        let accepting = tokio::spawn({
            let sessions = Arc::clone(&sessions);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    match stream.into_std().and_then(|stream| serve(stream, &config)) {
                        Ok(session) => lock(&sessions).push(session),
                        Err(error) => eprintln!("sshd cannot be started: {error}"),
                    }
                }
            }
        });
        let user = RemoteUser { name: own_name()?, privilege: Privilege::Own };
        Ok(Self { target: Target { address, user }, key_file, sessions, accepting })
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.accepting.abort();
        for session in lock(&self.sessions).iter_mut() {
            // It was not waited for, so the process group is still this one's.
            let _ = kill_process_group(Pid::from_child(session), Signal::KILL);
            let _ = session.wait();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_configuration(dir: &Path, key_file: &Path, key: &PrivateKey) -> io::Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        // Where sshd locks itself in before login; the distribution's service makes it at boot.
        fs::create_dir_all("/run/sshd")?;
    }
    let secret = |path: &Path, key: &PrivateKey| {
        fs::write(path, key.to_openssh().expose_secret())?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))
    };
    let (host_key, authorized, config) =
        (dir.join("host_key"), dir.join("authorized_keys"), dir.join("config"));
    secret(key_file, key)?;
    secret(&host_key, &PrivateKey::generate())?;
    fs::write(&authorized, key.public_key().0 + "\n")?;
    let text = format!(
        "HostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n\
         MaxSessions {MOST_CHANNELS}\nLogLevel ERROR\n\
         # Without the start-up files of whoever measures.\n\
         SetEnv HOME={}\n",
        host_key.display(),
        authorized.display(),
        dir.display(),
    );
    fs::write(&config, text)?;
    Ok(config)
}

/// Hands a connection to a new sshd.
fn serve(stream: std::net::TcpStream, config: &Path) -> io::Result<Child> {
    stream.set_nonblocking(false)?;
    let input = Stdio::from(OwnedFd::from(stream.try_clone()?));
    Command::new(SSHD)
        .args(["-i", "-e", "-f"])
        .arg(config)
        .stdin(input)
        .stdout(Stdio::from(OwnedFd::from(stream)))
        // So that it can be killed as a whole.
        .process_group(0)
        .spawn()
}

/// Who runs this: an sshd that root has not started can only serve its own user.
fn own_name() -> Result<String, BenchError> {
    let output = Command::new("id").arg("-un").output().map_err(BenchError::failed("run `id`"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A loopback cloud in this process.
pub(crate) struct Loopback {
    set: LoopbackInstanceSet,
}

impl Loopback {
    /// Works in this folder.
    pub(crate) async fn open(dir: &Path) -> Result<Self, BenchError> {
        let instance_set = InstanceSetId::new("bench").map_err(BenchError::failed("name an instance set"))?;
        let context = DriverContext { instance_set, state_dir: dir.join("loopback") };
        let set = LoopbackInstanceSet::open(LoopbackConfig::default(), context).await;
        Ok(Self { set: set.map_err(BenchError::failed("open a loopback cloud"))? })
    }

    /// A new instance that lets this key in, when it runs.
    pub(crate) async fn instance(&self, key: &PrivateKey) -> Result<Arc<dyn Instance>, BenchError> {
        let make = || {
            let instance_type = InstanceType {
                name: "small".try_into()?,
                provider_type: "small".try_into()?,
                vcpus: Cpus::whole(1),
                memory: ByteSize(1 << 30),
                included_scratch: ByteSize(0),
                added_scratch: ByteSize(0),
                gpus: 0,
                price: HourlyPrice::ZERO,
                preemptible: false,
                architecture: Architecture::X86_64,
                image: None,
            };
            Ok::<_, Box<dyn Error + Send + Sync>>(CreateRequest {
                instance_type: Arc::new(instance_type),
                image: None,
                placement: Placement::unnamed(),
                tags: Tags::new(),
                init_command: InitCommand::new("true".into()),
                public_key: key.public_key(),
                token: IdempotencyToken::from_bits(rand::random()),
            })
        };
        let request = make().map_err(BenchError::failed("describe an instance"))?;
        let created = self.set.create(request).await.map_err(BenchError::failed("make an instance"))?;
        loop {
            let listed =
                self.set.instances(&Tags::new()).await.map_err(BenchError::failed("list instances"))?;
            let running =
                listed.into_iter().find(|it| it.id() == created.id() && it.lifecycle() == Lifecycle::Running);
            if let Some(instance) = running {
                return Ok(instance);
            }
            // A list is the only way to learn of it.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Destroys all instances.
    pub(crate) async fn close(self) -> Result<(), BenchError> {
        for instance in
            self.set.instances(&Tags::new()).await.map_err(BenchError::failed("list instances"))?
        {
            instance.destroy().await.map_err(BenchError::failed("destroy an instance"))?;
        }
        self.set.stop().await;
        Ok(())
    }
}

/// Where an instance is reached.
pub(crate) fn target(instance: &dyn Instance) -> Result<Target, BenchError> {
    let address = instance.address().ok_or_else(|| BenchError::Wrong("an instance has no address".into()))?;
    Ok(Target { address: address.to_owned(), user: instance.remote_user() })
}

/// An executor that takes any host for the right one.
pub(crate) fn executor(key: &PrivateKey, target: Target) -> SshExecutor {
    let mut config = SshConfig::new(key.clone());
    config.max_channels = MOST_CHANNELS;
    SshExecutor::new(Arc::new(config), Some(target), Arc::new(Trusting))
}

#[derive(Debug)]
struct Trusting;

#[async_trait]
impl HostVerifier for Trusting {
    async fn verify(&self, _: &HostKey, _: &dyn UnverifiedHost) -> Result<(), VerifyError> {
        Ok(())
    }
}
