//! Whether exchanges are as on Azure: they are held against what the provider has published, and the provider's own client for
//! Python is sent through a life of machines.
//!
//! Both are programs in Python, in the folder `likeness` of this package; what they need is installed from `PyPI`, once, into a
//! virtual environment below cargo's target folder.

use crate::{Exchange, Settings};
use serde::Deserialize;
use std::{
    env,
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

const REQUIREMENTS: &str = include_str!("../likeness/requirements.txt");
/// Written into the environment when it is complete: what it was made of.
const COMPLETE: &str = "complete.txt";
/// The folder of what the provider publishes besides its client.
const SPECS_VARIABLE: &str = "AZURE_SPECS";
/// How many seconds the installation may take.
const INSTALL_VARIABLE: &str = "AZURE_LIKENESS_INSTALL_SECONDS";
const INSTALL_SECONDS: u64 = 5 * 60;
/// For one run of a program.
const RUN: Duration = Duration::from_secs(2 * 60);

/// What has been found in exchanges, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Comparison {
    /// What they were held against.
    pub against: Vec<String>,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// What is wrong with these exchanges, as [`compare`] finds it.
///
/// # Errors
/// When the exchanges cannot be checked: what is missing, and how to get it.
pub fn check(exchanges: &[Exchange]) -> Result<Vec<String>, String> {
    Ok(compare(exchanges)?.problems)
}

/// What is wrong with these exchanges by what is published: unknown paths, parameters and fields, wrong types and statuses, values
/// that an enumeration does not have, what is required and missing, what is only for requests or only for responses, errors and
/// states of operations of another shape. Each problem is there once, and says where it was seen; no value that could be a secret is
/// in it. An exchange with the status 0 is a request alone, which nothing has answered.
///
/// They are held against the models of the provider's own client, and also against the types of Bicep and the schemas of templates in
/// the folder that the variable `AZURE_SPECS` names, if it is set: `*.bicep-types.json` and `*.schema.json`. Waits for the
/// installation, the first time.
///
/// # Errors
/// When the exchanges cannot be checked: what is missing, and how to get it.
pub fn compare(exchanges: &[Exchange]) -> Result<Comparison, String> {
    let folder = env::var_os(SPECS_VARIABLE).filter(|folder| !folder.is_empty());
    compare_with(exchanges, folder.as_deref().map(Path::new))
}

/// As [`compare`], with this folder in place of the variable's.
///
/// # Errors
/// When the exchanges cannot be checked: what is missing, and how to get it.
pub fn compare_with(exchanges: &[Exchange], specs: Option<&Path>) -> Result<Comparison, String> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot check the exchanges: {error}");
    let mut lines = Vec::new();
    for exchange in exchanges {
        serde_json::to_writer(&mut lines, exchange).map_err(|error| failed(&error))?;
        lines.push(b'\n');
    }
    let mut command = program("check_exchanges.py")?;
    let output = run(command.args(specs), lines, RUN).map_err(|error| failed(&error))?;
    if !output.status.success() {
        return Err(failed(&said(&output)));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(&error))
}

/// Sends the provider's own client through the life of three machines, on the server at this URL, which has these settings and
/// nothing in the first of its resource groups. The machines are in the first of its subnets. With a `failure`, the operation of the
/// machine that it creates before them must fail with this code. Gives a line for each step. Waits for the installation, the first
/// time.
///
/// # Errors
/// The step that did not go as on Azure, and how it went; or what is missing, and how to get it.
pub fn walk(url: &str, settings: &Settings, failure: Option<&str>) -> Result<String, String> {
    let Settings { subscription, location, tenant, client_id, client_secret, .. } = settings;
    let group = settings.resource_groups.first().ok_or("the settings have no resource group")?;
    let subnet = settings.subnets.first().ok_or("the settings have no subnet")?;
    let subnet = format!(
        "/subscriptions/{subscription}/resourceGroups/{}/providers/Microsoft.Network/virtualNetworks/{}/subnets/{}",
        subnet.group, subnet.network, subnet.name
    );
    let mut command = program("client_walk.py")?;
    command
        .args([url, subscription, group, location, &subnet, tenant, client_id, client_secret])
        .args(failure);
    // The server is on this machine. All else is kept from the client, the real service above all: it is behind a proxy
    // that is not there.
    for (name, value) in [("no_proxy", "127.0.0.1,localhost"), ("https_proxy", "http://127.0.0.1:9")] {
        command.env(name, value).env(name.to_uppercase(), value);
    }
    let failed = |error: io::Error| format!("cannot send the provider's client to {url}: {error}");
    let output = run(&mut command, Vec::new(), RUN).map_err(failed)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("the provider's client has not come through:\n{}", said(&output)))
    }
}

/// A program of the folder `likeness`, with the environment's Python.
fn program(name: &str) -> Result<Command, String> {
    let mut command = Command::new(environment()?);
    // The sources' folder is not for compiled files.
    command.arg("-B").arg(file(name));
    Ok(command)
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("likeness").join(name)
}

/// The Python of the environment, which is made if it is not there or was made of something else.
fn environment() -> Result<PathBuf, String> {
    let parent = below_target()?;
    let dir = parent.join("azure-likeness-environment");
    let python = dir.join("bin/python");
    let at = |error: io::Error| format!("{}: {error}", dir.display());
    let deadline = Instant::now() + install_limit()?;
    fs::create_dir_all(&parent).map_err(at)?;
    // Several test programs may come at once.
    let lock = File::create(parent.join("azure-likeness-environment.lock")).map_err(at)?;
    take(&lock, deadline).map_err(at)?;
    if fs::read_to_string(dir.join(COMPLETE)).is_ok_and(|made_of| made_of == REQUIREMENTS) {
        return Ok(python);
    }
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(at)?;
    }
    install(
        Command::new("python3").args(["-m", "venv"]).arg(&dir),
        deadline,
        "Python 3.10 or later with its module venv is needed: apt-get install python3-venv",
    )?;
    // Nothing is compiled: that would take longer than the limit.
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"];
    install(
        Command::new(&python).args(pip).arg("--requirement").arg(file("requirements.txt")),
        deadline,
        "the provider's client is installed from PyPI with pip: see that it can be reached",
    )?;
    fs::write(dir.join(COMPLETE), REQUIREMENTS).map_err(at)?;
    Ok(python)
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

fn install_limit() -> Result<Duration, String> {
    let seconds = match env::var(INSTALL_VARIABLE) {
        Ok(text) => {
            text.parse().map_err(|_| format!("{INSTALL_VARIABLE}: {text:?} is no number of seconds"))?
        }
        Err(_) => INSTALL_SECONDS,
    };
    Ok(Duration::from_secs(seconds))
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

fn install(command: &mut Command, deadline: Instant, advice: &str) -> Result<(), String> {
    match run(command, Vec::new(), deadline.saturating_duration_since(Instant::now())) {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{advice}\n{}", said(&output))),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            Err(format!("{advice} ({error}; {INSTALL_VARIABLE} gives it another number of seconds)"))
        }
        Err(error) => Err(format!("{advice} ({error})")),
    }
}

/// All that a program has said, with its end.
fn said(output: &Output) -> String {
    let words = [output.stdout.as_slice(), &output.stderr].concat();
    format!("{}\n{}", String::from_utf8_lossy(&words).trim(), output.status)
}

/// A process that does not outlive its caller's interest.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the program to its end, which is at this limit at the latest.
fn run(command: &mut Command, input: Vec<u8>, limit: Duration) -> io::Result<Output> {
    let deadline = Instant::now() + limit;
    let name = command.get_program().to_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child =
        command.spawn().map_err(|error| io::Error::new(error.kind(), format!("{name:?}: {error}")))?;
    let mut child = Running(child);
    if let Some(mut pipe) = child.0.stdin.take() {
        // A program that ends before it has read everything says why by itself.
        thread::spawn(move || pipe.write_all(&input));
    }
    let (stdout, stderr) = (read(child.0.stdout.take()), read(child.0.stderr.take()));
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("{name:?} has not ended in {limit:.0?}"));
    let text = |output: &Receiver<Vec<u8>>| {
        output.recv_timeout(deadline.saturating_duration_since(Instant::now())).map_err(|_| late())
    };
    let (stdout, stderr) = (text(&stdout)?, text(&stderr)?);
    let status = end(&mut child.0, deadline)?.ok_or_else(late)?;
    Ok(Output { status, stdout, stderr })
}

/// All that comes through the pipe, once it is closed.
fn read(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error is better than nothing.
            let _ = pipe.read_to_end(&mut text);
        }
        // The caller may have given up.
        let _ = sender.send(text);
    });
    receiver
}

/// The end of a process that has closed its output, so that it is near.
fn end(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        let status = child.try_wait()?;
        if status.is_some() || Instant::now() >= deadline {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, io, run};
    use std::process::Command;

    #[test]
    fn a_program_that_hangs_is_ended() {
        let mut command = Command::new("sleep");
        let error = run(command.arg("600"), Vec::new(), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "\"sleep\" has not ended in 50ms");
    }

    #[test]
    fn what_is_read_late_is_written_all_the_same() {
        // More than a pipe holds, both ways.
        let input = vec![b'a'; 1 << 20];
        let output = run(&mut Command::new("cat"), input.clone(), Duration::from_secs(60)).unwrap();
        assert!(output.status.success() && output.stdout == input && output.stderr.is_empty());
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let error =
            run(&mut Command::new("no-such-program"), Vec::new(), Duration::from_secs(60)).unwrap_err();
        assert!(error.to_string().starts_with("\"no-such-program\": "), "{error}");
    }
}
