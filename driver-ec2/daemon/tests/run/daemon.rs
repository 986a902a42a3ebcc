//! The one run.

use crate::{
    machine::processes_of,
    moto::Moto,
    park::{Park, account, running},
};
use pool_conformance::Proxy;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// For whatever is waited for. Machines that run the tests may be slow.
const PATIENCE: Duration = Duration::from_secs(120);
const JOBS: usize = 6;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn ensure(so: bool, otherwise: impl Into<String>) -> Outcome {
    if so { Ok(()) } else { Err(otherwise.into().into()) }
}

/// A daemon that runs. Ends when it is dropped.
struct Daemon {
    dir: PathBuf,
    serving: Child,
}

impl Daemon {
    fn command(dir: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ec2-here"));
        command.args(arguments).env("POOLD_STATE_DIR", dir.join("state"));
        command.env_remove("POOLD_CONFIG").env_remove("POOLD_LOG").stdin(Stdio::null());
        command
    }

    fn start(dir: &Path) -> Outcome<Self> {
        let log = fs::File::create(dir.join("serve.log"))?;
        let config = dir.join("poold.toml").display().to_string();
        let mut command = Self::command(dir, &["serve", "--log", "info", "--config", &config]);
        let serving = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        Ok(Self { dir: dir.to_owned(), serving })
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("serve.log")).unwrap_or_default()
    }

    fn says(&self, arguments: &[&str]) -> Outcome<String> {
        let output = Self::command(&self.dir, arguments).output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure(output.status.success(), format!("{arguments:?}: {error}\n{}", self.log()))?;
        Ok(String::from_utf8(output.stdout)?)
    }

    fn json(&self, arguments: &[&str]) -> Outcome<Value> {
        Ok(serde_json::from_str(&self.says(&[arguments, &["--json"]].concat())?)?)
    }

    fn until(&self, what: &str, mut is: impl FnMut(&Self) -> Outcome<bool>) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        while !is(self)? {
            ensure(Instant::now() < deadline, format!("not within {PATIENCE:?}: {what}\n{}", self.log()))?;
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// SIGTERM. Returns its exit code.
    fn stop(&mut self) -> Outcome<Option<i32>> {
        let pid = rustix::process::Pid::from_child(&self.serving);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        Ok(self.serving.wait()?.code())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Ended already is as good.
        drop(self.serving.kill());
        drop(self.serving.wait());
    }
}

fn config(endpoint: &str, subnets: &[String], machines: &Path) -> Outcome<String> {
    let user = Command::new("id").arg("-un").output()?;
    let user = String::from_utf8(user.stdout)?;
    Ok(format!(
        r#"
[pool]
instance_set = "ec2-run"
image = "ami-03cf127a"
max_instances = 2
max_concurrent_instance_create_ops = 2
timeout_idle = "1s"
probe_interval = "1s"
sync_interval = "1s"
max_cloud_ops_per_second = 100

[[pool.instance_types]]
name = "small"
provider_type = "m5.large"
vcpus = 2
memory = "2 GiB"
price = 0.1

[driver]
name = "ec2-here"

[driver.options]
machines = {machines:?}
region = "eu-central-1"
endpoint = {endpoint:?}
credentials = {{ access_key_id = "AKIAEXAMPLE", secret_access_key = "hunter2" }}
subnets = {subnets:?}
admin_user = {:?}
admin_privilege = "own"
list_settle_time = "0s"
"#,
        user.trim()
    ))
}

#[test]
fn jobs_are_done_on_instances_of_ec2() -> Outcome {
    let runtime = tokio::runtime::Runtime::new()?;
    let moto = Moto::start(&[])?;
    let account = account(moto.address());
    let answer = runtime.block_on(account.describe_subnets().send())?;
    let subnets: Vec<String> =
        answer.subnets().iter().filter_map(|subnet| subnet.subnet_id()).map(str::to_owned).collect();
    let proxy = Proxy::start(Some(moto.address()), Vec::new())?;
    let dir = tempfile::tempdir()?;
    if rustix::process::geteuid().is_root() {
        // Where sshd locks itself in before login; the distribution's service makes it at boot.
        fs::create_dir_all("/run/sshd")?;
    }
    let machines = dir.path().join("machines");
    fs::write(dir.path().join("poold.toml"), config(&proxy.url(), &subnets, &machines)?)?;
    let park = Park::open(moto.address(), machines)?;

    let mut daemon = Daemon::start(dir.path())?;
    daemon.until("the daemon answers", |daemon| Ok(daemon.says(&["status"]).is_ok()))?;
    let count = JOBS.to_string();
    daemon.says(&["submit", "--array", &count, "--", "sh", "-c", "sleep 1; echo done $POOL_ARRAY_INDEX"])?;
    daemon.until("all jobs are complete", |daemon| {
        let jobs = daemon.json(&["jobs", "--all"])?;
        let jobs = jobs.as_array().ok_or("no array")?;
        Ok(jobs.len() == JOBS && jobs.iter().all(|job| job["state"] == "complete"))
    })?;
    let outputs: Outcome<BTreeSet<String>> =
        (1..=JOBS).map(|job| daemon.says(&["logs", &job.to_string()])).collect();
    let expected: BTreeSet<String> = (0..JOBS).map(|index| format!("done {index}\n")).collect();
    let outputs = outputs?;
    ensure(outputs == expected, format!("{outputs:?}\n{}", daemon.log()))?;

    daemon.until("no instance is left", |daemon| {
        Ok(daemon.json(&["instances"])? == Value::Array(Vec::new()))
    })?;
    let left = runtime.block_on(running(&account))?;
    ensure(left.is_empty(), format!("{left:?} are running"))?;
    ensure(daemon.stop()? == Some(0), daemon.log())?;
    ensure(!daemon.log().contains("hunter2"), "the secret is in the log")?;

    let requests: BTreeSet<String> = proxy.requests().iter().map(pool_conformance::Request::text).collect();
    let of = |action: &str| {
        requests.iter().filter(|request| request.starts_with(&format!("Action={action}&"))).count()
    };
    let (made, booted) = (of("RunInstances"), park.booted());
    ensure(made > 0 && made <= 2 * JOBS, format!("{made} instances were asked for"))?;
    ensure(booted > 0 && booted <= made, format!("{booted} machines for {made} instances"))?;
    ensure(of("TerminateInstances") > 0, "no instance was destroyed")?;
    let problems = moto.check(&requests)?;
    ensure(problems.is_empty(), problems.join("; "))?;
    drop(park);
    let found = processes_of(dir.path());
    ensure(found.is_empty(), format!("processes are left: {found:?}"))
}
