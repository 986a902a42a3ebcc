//! Programs in Python that hold a stand-in against what its provider publishes.

use crate::{
    Exchange,
    process::{run, said},
};
use serde::de::DeserializeOwned;
use std::{
    env,
    fmt::Display,
    fs::{self, File, TryLockError},
    io,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// Written into an environment when it is complete: what it was made of.
const COMPLETE: &str = "complete.txt";
const INSTALL_SECONDS: u64 = 5 * 60;
/// For one run of a program.
const RUN: Duration = Duration::from_secs(2 * 60);

/// A folder of programs in Python, with a `requirements.txt`. What they need is installed from `PyPI`, once, into a virtual
/// environment below cargo's target folder.
#[derive(Clone, Debug)]
pub struct Python {
    /// What the environment is called after.
    pub name: &'static str,
    /// Where the programs are.
    pub folder: PathBuf,
    /// What is to be said when the installation fails: what is installed, and what to see to.
    pub advice: &'static str,
    /// The environment variable that says how many seconds the installation may take, if not 300.
    pub install_variable: &'static str,
}

impl Python {
    /// A program of the folder. Waits for the installation, the first time.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub fn program(&self, name: &str) -> Result<Command, String> {
        let mut command = Command::new(self.environment()?);
        // The sources' folder is not for compiled files.
        command.arg("-B").arg(self.folder.join(name));
        Ok(command)
    }

    /// The Python of the environment, which is made if it is not there or was made of something else.
    fn environment(&self) -> Result<PathBuf, String> {
        let requirements = self.folder.join("requirements.txt");
        let parent = below_target()?;
        let dir = parent.join(format!("{}-environment", self.name));
        let python = dir.join("bin/python");
        let at = |error: io::Error| format!("{}: {error}", dir.display());
        let made_of = fs::read_to_string(&requirements)
            .map_err(|error| format!("{}: {error}", requirements.display()))?;
        let deadline = Instant::now() + self.install_limit()?;
        fs::create_dir_all(&parent).map_err(at)?;
        // Several test programs may come at once.
        let lock = File::create(parent.join(format!("{}-environment.lock", self.name))).map_err(at)?;
        take(&lock, deadline).map_err(at)?;
        if fs::read_to_string(dir.join(COMPLETE)).is_ok_and(|complete| complete == made_of) {
            return Ok(python);
        }
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(at)?;
        }
        self.install(
            Command::new("python3").args(["-m", "venv"]).arg(&dir),
            deadline,
            "Python 3.10 or later with its module venv is needed: apt-get install python3-venv",
        )?;
        // Nothing is compiled: that would take longer than the limit.
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"];
        let mut pip_install = Command::new(&python);
        pip_install.args(pip).arg("--requirement").arg(&requirements);
        self.install(&mut pip_install, deadline, self.advice)?;
        fs::write(dir.join(COMPLETE), made_of).map_err(at)?;
        Ok(python)
    }

    fn install_limit(&self) -> Result<Duration, String> {
        let variable = self.install_variable;
        let seconds = match env::var(variable) {
            Ok(text) => text.parse().map_err(|_| format!("{variable}: {text:?} is no number of seconds"))?,
            Err(_) => INSTALL_SECONDS,
        };
        Ok(Duration::from_secs(seconds))
    }

    fn install(&self, command: &mut Command, deadline: Instant, advice: &str) -> Result<(), String> {
        let variable = self.install_variable;
        match run(command, Vec::new(), deadline.saturating_duration_since(Instant::now())) {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(format!("{advice}\n{}", said(&output))),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Err(format!("{advice} ({error}; {variable} gives it another number of seconds)"))
            }
            Err(error) => Err(format!("{advice} ({error})")),
        }
    }
}

/// What a program that reads exchanges, one on each line in JSON, says of them in JSON.
///
/// # Errors
/// When they cannot be checked.
pub fn check<T: DeserializeOwned>(program: &mut Command, exchanges: &[Exchange]) -> Result<T, String> {
    let failed = |error: &dyn Display| format!("cannot check the exchanges: {error}");
    let mut lines = Vec::new();
    for exchange in exchanges {
        serde_json::to_writer(&mut lines, exchange).map_err(|error| failed(&error))?;
        lines.push(b'\n');
    }
    let output = run(program, lines, RUN).map_err(|error| failed(&error))?;
    if !output.status.success() {
        return Err(failed(&said(&output)));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(&error))
}

/// What the provider's own client prints that a program sends through a stand-in at this URL, on this machine. All else is
/// kept from the client, the real service above all: it is behind a proxy that is not there.
///
/// # Errors
/// The step that did not go as it should, and how it went.
pub fn walk(program: &mut Command, url: &str) -> Result<String, String> {
    for (name, value) in [("no_proxy", "127.0.0.1,localhost"), ("https_proxy", "http://127.0.0.1:9")] {
        program.env(name, value).env(name.to_uppercase(), value);
    }
    let failed = |error: io::Error| format!("cannot send the provider's client to {url}: {error}");
    let output = run(program, Vec::new(), RUN).map_err(failed)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("the provider's client has not come through:\n{}", said(&output)))
    }
}

/// The folder for files of tests in cargo's target folder, which this program is in.
fn below_target() -> Result<PathBuf, String> {
    let program = env::current_exe().map_err(|error| format!("cannot find this program's file: {error}"))?;
    // Cargo marks it as one that needs no backup.
    let target = program.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file());
    let target = target.ok_or_else(|| {
        format!("{} is in no target folder: run it from where cargo has put it", program.display())
    })?;
    Ok(target.join("tmp"))
}

/// Locks the file, which others may hold for as long as they install.
fn take(lock: &File, deadline: Instant) -> io::Result<()> {
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "another process has not made it in time",
                ));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(50)),
        }
    }
}
