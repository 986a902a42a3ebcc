//! A state directory, the program that serves it, and its commands.

use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// For whatever is waited for. Machines that run the tests may be slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Workers that come and go quickly.
pub(crate) const CONFIG: &str = r#"
[pool]
instance_set = "test"
max_instances = 8
max_concurrent_instance_create_ops = 4
timeout_idle = "2s"
timeout_booting = "20s"
timeout_term = "2s"
timeout_signal = "500ms"
probe_interval = "1s"
sync_interval = "1s"
max_cloud_ops_per_second = 100

[[pool.instance_types]]
name = "small"
provider_type = "loop.small"
vcpus = 2
memory = "2 GiB"
price = 0.01

[[pool.instance_types]]
name = "large"
provider_type = "loop.large"
vcpus = 8
memory = "8 GiB"
price = 0.05
"#;

/// The same, for tests that look at no idle worker: they go at once.
pub(crate) fn brisk() -> String {
    CONFIG.replace("timeout_idle = \"2s\"", "timeout_idle = \"200ms\"")
}

/// A state directory with its configuration. Dropping it kills what it has started.
pub(crate) struct Place {
    dir: TempDir,
    state: PathBuf,
    /// More variables for every command.
    environment: Vec<(String, String)>,
    serving: Option<Child>,
}

impl Place {
    pub(crate) fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("poold.toml"), config).unwrap();
        let state = dir.path().join("state");
        Self { dir, state, environment: Vec::new(), serving: None }
    }

    /// Keeps its state elsewhere.
    pub(crate) fn with_state(mut self, state: &Path) -> Self {
        state.clone_into(&mut self.state);
        self
    }

    /// Every command gets one more variable.
    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Workers get a runner program of some bytes, which leads to the one that is tested: to copy a debug build to each takes
    /// longer than all else.
    pub(crate) fn with_small_runner(self) -> Self {
        let runner = self.path().join("runner");
        fs::write(&runner, format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_poold"))).unwrap();
        fs::set_permissions(&runner, fs::Permissions::from_mode(0o755)).unwrap();
        self.with_variable("POOLD__RUNNER__PROGRAM", runner.to_str().unwrap())
    }

    /// A place where `poold serve` runs.
    pub(crate) fn serving(config: &str) -> Self {
        let mut place = Self::new(config);
        place.serve();
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.state.clone()
    }

    /// Another configuration from the next start on.
    pub(crate) fn configure(&self, config: &str) {
        fs::write(self.config(), config).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("poold.toml")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("serve.log")).unwrap_or_default()
    }

    /// Any command of poold on this place.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_poold"));
        command.args(arguments).env("POOLD_STATE_DIR", self.state()).env_remove("POOLD_LOG");
        command.env_remove("POOLD_CONFIG").envs(self.environment.iter().cloned()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command prints that succeeds.
    #[track_caller]
    pub(crate) fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}\n{}", self.log());
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, as JSON.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        serde_json::from_str(&self.says(&all)).unwrap()
    }

    /// What a command says on standard error that fails with this code.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        error
    }

    /// Starts `poold serve`, without waiting for it.
    pub(crate) fn start(&mut self) {
        assert!(self.serving.is_none());
        let log =
            fs::File::options().create(true).append(true).open(self.dir.path().join("serve.log")).unwrap();
        let config = self.config();
        let mut command = self.command(&["serve", "--log", "info", "--config", config.to_str().unwrap()]);
        self.serving = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    /// Starts `poold serve` and waits until it answers.
    #[track_caller]
    pub(crate) fn serve(&mut self) {
        self.start();
        self.until("poold serve answers", |place| place.run(&["status"]).status.success());
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut child = self.serving.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM. Returns its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let mut child = self.serving.take().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        child.wait().unwrap().code()
    }

    /// Waits until it has ended by itself. Its exit code and what it said.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> (Option<i32>, String) {
        let mut child = self.serving.take().unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return (status.code(), self.log());
            }
            if Instant::now() >= deadline {
                self.serving = Some(child);
                panic!("it has not ended within {PATIENCE:?}:\n{}", self.log());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.serving.as_ref().unwrap().id()
    }

    /// Waits until something is true.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut is: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is(self) {
            if let Some(child) = &mut self.serving
                && let Some(status) = child.try_wait().unwrap()
            {
                panic!("poold serve has ended ({status}) while waiting until {what}:\n{}", self.log());
            }
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}\n{}", self.log());
            // Another process's state, which nothing announces.
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Submits a job; its id.
    #[track_caller]
    pub(crate) fn submit(&self, options: &[&str], command: &[&str]) -> String {
        self.says(&[&["submit"], options, &["--"], command].concat()).trim().to_owned()
    }

    /// All about one job.
    #[track_caller]
    pub(crate) fn job(&self, id: &str) -> Value {
        self.json(&["job", id])
    }

    /// Waits until a job is in a state.
    #[track_caller]
    pub(crate) fn until_state(&mut self, id: &str, state: &str) -> Value {
        self.until(&format!("{id} is {state}"), |place| place.job(id)["state"] == state);
        self.job(id)
    }

    /// Every job, oldest first.
    #[track_caller]
    pub(crate) fn jobs(&self) -> Vec<Value> {
        let Value::Array(mut jobs) = self.json(&["jobs", "--all"]) else { panic!("no array") };
        jobs.reverse();
        jobs
    }

    /// Waits until every instance is gone.
    #[track_caller]
    pub(crate) fn until_no_instance_is_left(&mut self) {
        self.until("no instance is left", |place| place.json(&["instances"]) == Value::Array(Vec::new()));
    }

    /// Stops and shows that nothing goes on.
    #[track_caller]
    pub(crate) fn ends_with_nothing_left(mut self) {
        self.until_no_instance_is_left();
        assert_eq!(self.stop(), Some(0), "{}", self.log());
        assert_eq!(processes_of(self.path()), Vec::<String>::new());
        assert_eq!(processes_of(&self.state), Vec::<String>::new());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut child) = self.serving.take() {
            drop(child.kill());
            drop(child.wait());
        }
        // Also the workers of a test that failed.
        let config = self.config();
        drop(self.run(&["destroy-all", "--yes", "--config", config.to_str().unwrap_or_default()]));
    }
}

/// Processes that have this path in their command line, environment or current directory.
pub(crate) fn processes_of(path: &Path) -> Vec<String> {
    let needle = path.to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name();
        if name == *std::process::id().to_string()
            || !name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())
        {
            continue;
        }
        let text = |file: &str| {
            fs::read(entry.path().join(file)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let link = |file: &str| fs::read_link(entry.path().join(file)).map(|path| path.display().to_string());
        let all = [text("cmdline"), text("environ"), link("cwd")].map(Result::unwrap_or_default);
        if all.iter().any(|part| part.contains(needle)) {
            found.push(format!("{} {}", name.display(), all[0].replace('\0', " ")));
        }
    }
    found
}
