//! A `poold serve` on the loopback driver, with a state directory of its own, and its commands.

use crate::error::BenchError;
use serde::de::DeserializeOwned;
use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// For whatever is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what has no event that another process could wait for.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A state directory that is served. Dropping it ends all: the program, its instances, their jobs.
pub(crate) struct Serving {
    program: PathBuf,
    dir: PathBuf,
    server: Option<Child>,
}

impl Serving {
    /// Begins to serve with so many workers, each for so many jobs at once, and waits until they are idle.
    pub(crate) fn begin(dir: &Path, workers: usize, slots: usize) -> Result<Self, BenchError> {
        let program = beside_this("poold")?;
        fs::create_dir_all(dir).map_err(BenchError::failed("make a folder for a state directory"))?;
        let config = format!(
            "[pool]\ninstance_set = \"bench\"\nmax_instances = {workers}\nmin_idle = {{ measured = {workers} }}\n\
             max_concurrent_instance_create_ops = {workers}\ntimeout_idle = \"1h\"\n\
             [[pool.instance_types]]\nname = \"measured\"\nprovider_type = \"loop.measured\"\n\
             vcpus = {slots}\nmemory = \"4 GiB\"\nprice = 0.01\n"
        );
        fs::write(dir.join("poold.toml"), config).map_err(BenchError::failed("write a configuration"))?;
        let mut serving = Self { program, dir: dir.to_owned(), server: None };
        serving.start()?;
        serving.until("all workers are idle", |serving| {
            #[derive(serde::Deserialize)]
            struct Row {
                worker_state: String,
            }
            let rows: Vec<Row> = serving.json(&["instances"])?;
            Ok(rows.iter().filter(|row| row.worker_state == "idle").count() == workers)
        })?;
        Ok(serving)
    }

    /// Starts the program. Returns how long it took until it answered.
    pub(crate) fn start(&mut self) -> Result<Duration, BenchError> {
        let log = File::options().create(true).append(true).open(self.dir.join("serve.log"));
        let log = log.map_err(BenchError::failed("make a log file"))?;
        let mut command = self.command(&["serve", "--log", "warn", "--config"]);
        command.arg(self.dir.join("poold.toml")).stdout(Stdio::null()).stderr(log);
        let began = Instant::now();
        self.server = Some(command.spawn().map_err(BenchError::failed("start poold serve"))?);
        self.until("poold serve answers", |serving| Ok(serving.answers()))?;
        Ok(began.elapsed())
    }

    /// Stops the program; its instances stay. It is to end well.
    pub(crate) fn stop(&mut self) -> Result<(), BenchError> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        let pid = rustix::process::Pid::from_child(&server);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .map_err(BenchError::failed("stop poold serve"))?;
        let status = server.wait().map_err(BenchError::failed("wait for poold serve"))?;
        if status.success() { Ok(()) } else { Err(self.wrong(&format!("poold serve has ended: {status}"))) }
    }

    fn answers(&self) -> bool {
        let asked = UnixStream::connect(self.dir.join("state/run/poold.sock")).and_then(|mut socket| {
            socket.write_all(b"GET /_health/ping HTTP/1.1\r\nhost: poold\r\nconnection: close\r\n\r\n")?;
            let mut answer = String::new();
            socket.read_to_string(&mut answer)?;
            Ok(answer.starts_with("HTTP/1.1 200"))
        });
        asked.unwrap_or(false)
    }

    fn until(
        &self,
        what: &str,
        mut is: impl FnMut(&Self) -> Result<bool, BenchError>,
    ) -> Result<(), BenchError> {
        let deadline = Instant::now() + PATIENCE;
        while !is(self)? {
            if Instant::now() > deadline {
                return Err(self.wrong(&format!("it took more than {PATIENCE:?} until {what}")));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn wrong(&self, what: &str) -> BenchError {
        let log = fs::read_to_string(self.dir.join("serve.log")).unwrap_or_default();
        BenchError::Wrong(format!("{what}\n{log}"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("POOLD_STATE_DIR", self.dir.join("state"));
        command.env_remove("POOLD_LOG").env_remove("POOLD_CONFIG").stdin(Stdio::null());
        command
    }

    /// Runs a command that is to succeed. Returns what it has printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, BenchError> {
        let what = format!("run poold {}", arguments.join(" "));
        let Output { status, stdout, stderr } =
            self.command(arguments).output().map_err(BenchError::failed(&what))?;
        if !status.success() {
            let stderr = String::from_utf8_lossy(&stderr);
            return Err(self.wrong(&format!("cannot {what}: {status}: {stderr}")));
        }
        Ok(stdout)
    }

    /// The same, for what it says as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T, BenchError> {
        let mut all = arguments.to_vec();
        all.push("--json");
        let said = self.run(&all)?;
        serde_json::from_slice(&said)
            .map_err(BenchError::failed(format!("read what poold {} says", arguments.join(" "))))
    }

    /// How long a command takes that is to succeed.
    pub(crate) fn time(&self, arguments: &[&str]) -> Result<Duration, BenchError> {
        let began = Instant::now();
        self.run(arguments)?;
        Ok(began.elapsed())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let config = self.dir.join("poold.toml");
        let destroy = ["destroy-all", "--yes", "--config", &config.to_string_lossy()];
        if let Err(error) = self.stop().and_then(|()| self.run(&destroy).map(drop)) {
            eprintln!("warning: an instance may be left in {}: {error}", self.dir.display());
        }
    }
}

/// A program that was built with this one.
pub(crate) fn beside_this(name: &str) -> Result<PathBuf, BenchError> {
    let this = std::env::current_exe().map_err(BenchError::failed("find this program"))?;
    let path = this.with_file_name(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(BenchError::Wrong(format!("there is no {}: build it with the same profile", path.display())))
}
