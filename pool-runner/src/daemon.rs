//! The one process a worker that takes the pool's requests.
//!
//! One thread and one `poll`. Nothing here outlives the process but what is on disk: it may be killed at any time.
//! That is also why SIGTERM has its usual effect: sessions end, jobs go on.

mod broken;
mod clearing;
mod event_loop;
mod keepers;
mod open_files;
mod orphan;
mod places;
mod reading;
mod requests;
mod runs;
mod session;
mod settings;

use crate::{
    error::{RunnerError, chain},
    files,
    layout::{Layout, SOCKET},
    order, program,
};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::Path,
    time::Instant,
};

/// Said on standard output once the daemon listens.
pub(crate) const READY: &str = "ready";
/// Said on standard output when another daemon has the lock.
pub(crate) const BUSY: &str = "busy";

/// Everything that the daemon knows.
struct Daemon {
    layout: Layout,
    program_hash: String,
    settings: settings::Settings,
    runs: runs::Runs,
    sessions: BTreeMap<session::SessionId, session::Session>,
    next_session: session::SessionId,
    /// Starts whose keeper has not said yet how that went.
    starts: Vec<requests::PendingStart>,
    reads: Vec<reading::WaitingRead>,
    orphan: orphan::Orphan,
    broken_check_at: Instant,
    /// Until then ended keepers may be there that were not reaped.
    reap_until: Option<Instant>,
    /// Set when the daemon is to end.
    leaving: bool,
}

pub(crate) fn run(layout: Layout) -> Result<(), RunnerError> {
    let result = begin(layout);
    if let Err(error) = &result {
        // Attach reads this.
        let _ = writeln!(io::stdout(), "{}", chain(error));
    }
    result
}

fn begin(layout: Layout) -> Result<(), RunnerError> {
    close_inherited().map_err(RunnerError::system("close inherited files"))?;
    // Fails if it is the leader of a process group already, as when a person starts it: no harm.
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    layout.create()?;
    std::env::set_current_dir(layout.dir()).map_err(RunnerError::file("enter", layout.dir()))?;
    let Some(lock) = lock(&layout)? else {
        return writeln!(io::stdout(), "{BUSY}").map_err(RunnerError::system("write to standard output"));
    };
    // What is left of a run whose keeper is killed stays this process's descendant, and is reaped.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(RunnerError::system("adopt orphans"))?;
    let settings = settings::Settings::load(&layout)?;
    let notify = open_notify(&layout)?;
    let program_hash = program::hash_cached(&layout)?;
    let runs = runs::Runs::load(&layout)?;
    let listener = listen(&layout)?;
    announce(&layout)?;

    let now = Instant::now();
    let mut daemon = Daemon {
        layout,
        program_hash,
        settings,
        runs,
        sessions: BTreeMap::new(),
        next_session: 0,
        starts: Vec::new(),
        reads: Vec::new(),
        orphan: orphan::Orphan::since(now),
        broken_check_at: now,
        reap_until: None,
        leaving: false,
    };
    let result = daemon.serve(&listener, &notify);
    // Who connects from now on must find nobody, rather than wait in a queue that nobody serves.
    let _ = fs::remove_file(SOCKET);
    drop(lock);
    result
}

/// Closes whatever else the starter has left open: the daemon and all jobs would keep that open for days, and
/// whoever waits for its end would wait as long. To be called before this process has opened anything itself.
fn close_inherited() -> io::Result<()> {
    let open = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<std::os::fd::RawFd>().ok())
        .filter(|fd| *fd > 2);
    // The listing's own descriptor is among them; it is closed before the loop, and closing it again fails.
    for fd in open.collect::<Vec<_>>() {
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

/// The lock that makes this process the daemon; none if another has it. Held as long as the file is open.
fn lock(layout: &Layout) -> Result<Option<File>, RunnerError> {
    let path = layout.lock();
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(RunnerError::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(source)) => Err(RunnerError::File { what: "lock", path, source }),
    }
}

fn open_notify(layout: &Layout) -> Result<File, RunnerError> {
    let path = layout.notify();
    match order::make_fifo(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(RunnerError::File { what: "make", path, source: error });
        }
        _ => {}
    }
    order::open_both(&path).map_err(RunnerError::file("open", &path))
}

/// Whoever has the lock owns the socket's name: what is there is a dead daemon's.
fn listen(layout: &Layout) -> Result<UnixListener, RunnerError> {
    let path = layout.dir().join(SOCKET);
    let bind = || {
        files::remove(Path::new(SOCKET))?;
        let listener = UnixListener::bind(SOCKET)?;
        // The directory may have to be open to the jobs' user; the socket never is.
        fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(RunnerError::file("listen at", path))
}

/// Tells whoever started this process, and lets go of its standard output: it may be an SSH channel.
fn announce(layout: &Layout) -> Result<(), RunnerError> {
    let announce = || -> io::Result<()> {
        writeln!(io::stdout(), "{READY}")?;
        rustix::stdio::dup2_stdout(OpenOptions::new().write(true).open("/dev/null")?)?;
        Ok(())
    };
    announce().map_err(RunnerError::system("write to standard output"))?;
    log!("daemon {} of {} listens", std::process::id(), layout.root().display());
    Ok(())
}

/// Reaps what has ended: keepers, leftovers of killed keepers, power-off commands.
fn reap_children() {
    use rustix::process::{WaitOptions, wait};
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}
