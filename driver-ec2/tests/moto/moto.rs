//! moto's EC2 server, in a virtual environment of its own, and botocore's model of the API.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const REQUIREMENTS: &str = include_str!("requirements.txt");
/// Written into the environment when it is complete: what it was made of.
const COMPLETE: &str = "complete.txt";

/// A server that runs. Ends when it is dropped, or when this process ends.
#[derive(Debug)]
pub(crate) struct Moto {
    address: SocketAddr,
    python: PathBuf,
    child: Child,
}

impl Moto {
    /// Starts a server with these arguments of `server.py`; the environment is made first if it is not there.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self, String> {
        let python = environment()?;
        // Its end of standard input is the end of this process.
        let mut child = Command::new(&python)
            .arg(script("server.py"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", python.display()))?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
        }
        let port = line.trim().strip_prefix("ready ").and_then(|port| port.parse().ok());
        let Some(port) = port else {
            return Err(format!("moto's server has not started; it says {line:?}, and the reason above"));
        };
        Ok(Self { address: (Ipv4Addr::LOCALHOST, port).into(), python, child })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is wrong with these requests by botocore's model of the API. Each is a request's form-encoded body.
    ///
    /// # Errors
    /// When they cannot be checked.
    pub(crate) fn check(&self, requests: &BTreeSet<String>) -> Result<Vec<String>, String> {
        let failed = |error: std::io::Error| format!("cannot check the requests: {error}");
        let mut child = Command::new(&self.python)
            .arg(script("check_requests.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut input) = child.stdin.take() {
            for request in requests {
                writeln!(input, "{request}").map_err(failed)?;
            }
        }
        let output = child.wait_with_output().map_err(failed)?;
        if !output.status.success() {
            return Err(format!("the check of the requests has failed: {}", output.status));
        }
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of this directory, which is the package's or that of the package around it.
fn script(name: &str) -> PathBuf {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut files = packages.map(|package| package.join("tests/moto").join(name));
    files.find(|file| file.is_file()).unwrap_or_else(|| name.into())
}

/// The Python of the environment, which is made if it is not there or was made of something else.
fn environment() -> Result<PathBuf, String> {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let dir = parent.join("moto-environment");
    let python = dir.join("bin/python");
    let at = |error: std::io::Error| format!("{}: {error}", dir.display());
    // Several test programs may come at once.
    let lock = File::create(parent.join("moto-environment.lock")).map_err(at)?;
    lock.lock().map_err(at)?;
    if fs::read_to_string(dir.join(COMPLETE)).is_ok_and(|made_of| made_of == REQUIREMENTS) {
        return Ok(python);
    }
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(at)?;
    }
    run(
        Command::new("python3").args(["-m", "venv"]).arg(&dir),
        "Python 3.10 or later with its module venv is needed: apt-get install python3-venv",
    )?;
    run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(script("requirements.txt")),
        "moto and botocore are installed from PyPI with pip: see that it can be reached",
    )?;
    fs::write(dir.join(COMPLETE), REQUIREMENTS).map_err(at)?;
    Ok(python)
}

fn run(command: &mut Command, advice: &str) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            Err(format!("{advice}\n{}", String::from_utf8_lossy(&said).trim()))
        }
        Err(error) => Err(format!("{advice} ({:?}: {error})", command.get_program())),
    }
}
