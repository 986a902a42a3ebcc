//! Where credentials come from when the configuration has none.
//!
//! They are looked for in the environment of a process, so each case is a process of its own: this program again.

use driver_ec2::Ec2Driver;
use libtest_mimic::{Arguments, Failed, Trial};
use pool_api::{Driver as _, DriverContext, InstanceSetId, Tags};
use pool_conformance::{Action, Answer, Proxy, Request, Rule};
use serde_json::json;
use std::{
    error::Error,
    path::PathBuf,
    process::{Command, ExitCode},
    sync::Arc,
};

/// Tells the process that it is a case, and where EC2 is.
const ENDPOINT: &str = "POOL_TEST_EC2_ENDPOINT";
const IMDS: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const SECRET: &str = "wJalrXUtnFEMI+K7MDENG+bPxRfiCYEXAMPLEKEY";

fn main() -> ExitCode {
    if let Ok(endpoint) = std::env::var(ENDPOINT) {
        return match tokio::runtime::Runtime::new().map(|runtime| runtime.block_on(list(&endpoint))) {
            Ok(Ok(said)) => {
                println!("{said}");
                ExitCode::SUCCESS
            }
            failed => {
                eprintln!("{failed:?}");
                ExitCode::FAILURE
            }
        };
    }
    let trial = |name: &str, test: fn() -> Result<(), Box<dyn Error>>| {
        Trial::test(name, move || test().map_err(|error| Failed::from(error.to_string())))
    };
    let trials = vec![
        trial("the_environment_comes_first", environment),
        trial("the_instance_s_role_is_asked_for_with_imdsv2", imdsv2),
        trial("without_credentials_nothing_is_sent", none),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// One list with the default chain of credentials. Says what has become of it.
async fn list(endpoint: &str) -> Result<String, Box<dyn Error>> {
    let config = json!({
        "region": "eu-central-1", "endpoint": endpoint, "subnets": ["subnet-1"], "admin_user": "admin",
    });
    let context =
        DriverContext { instance_set: InstanceSetId::new("test")?, state_dir: PathBuf::from("/nowhere") };
    let set = Ec2Driver.open(config, context).await?;
    Ok(match set.instances(&Tags::new()).await {
        Ok(listed) => format!("{} listed", listed.len()),
        Err(error) => format!("{:?} {:?} {error} {error:?}", error.kind(), error.effect()),
    })
}

/// A server that is EC2 and the metadata service at once.
fn server() -> Result<Proxy, Box<dyn Error>> {
    let answer = |request: &Request| match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/") => Answer::new(200, "text/xml", "<DescribeInstancesResponse/>"),
        ("PUT", "/latest/api/token") => Answer::new(200, "text/plain", "the-token")
            .header("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
        ("GET", path) if request.header("x-aws-ec2-metadata-token") != Some("the-token") => {
            Answer::new(401, "text/plain", format!("{path}: no token"))
        }
        ("GET", "/latest/meta-data/iam/security-credentials/") => Answer::new(200, "text/plain", "worker"),
        ("GET", "/latest/meta-data/iam/security-credentials/worker") => {
            let credentials = json!({
                "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "AKIAROLE", "SecretAccessKey": SECRET,
                "Token": "session", "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": "2096-01-01T00:00:00Z",
            });
            Answer::new(200, "application/json", credentials.to_string())
        }
        _ => Answer::new(404, "text/plain", "not here"),
    };
    Ok(Proxy::start(None, vec![Rule::new(|_| true, Action::AnswerBy(Arc::new(answer)))])?)
}

/// Runs a case with nothing but this in its environment. Returns what it says.
fn case(server: &Proxy, environment: &[(&str, &str)]) -> Result<String, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?)
        .env_clear()
        .env("HOME", "/nowhere")
        .env(ENDPOINT, server.url())
        .env(IMDS, server.url())
        .envs(environment.iter().copied())
        .output()?;
    let (said, errors) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    ensure(output.status.success(), &errors)?;
    ensure(!said.contains(SECRET) && !errors.contains(SECRET), "the secret is shown")?;
    Ok(said.trim().to_owned())
}

fn ensure(so: bool, otherwise: &str) -> Result<(), Box<dyn Error>> {
    if so { Ok(()) } else { Err(otherwise.into()) }
}

/// The ids of the access keys with which EC2 was called.
fn keys(server: &Proxy) -> Vec<String> {
    let calls = server.requests();
    let signed = calls.iter().filter_map(|request| request.header("authorization"));
    signed
        .filter_map(|header| header.split("Credential=").nth(1)?.split('/').next())
        .map(str::to_owned)
        .collect()
}

fn environment() -> Result<(), Box<dyn Error>> {
    let server = server()?;
    let said = case(&server, &[("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", SECRET)])?;
    ensure(said == "0 listed", &said)?;
    ensure(keys(&server) == ["AKIAENVIRONMENT"], &format!("{:?}", keys(&server)))?;
    ensure(server.requests().len() == 1, "the metadata service was asked too")
}

fn imdsv2() -> Result<(), Box<dyn Error>> {
    let server = server()?;
    let said = case(&server, &[])?;
    ensure(said == "0 listed", &said)?;
    ensure(keys(&server) == ["AKIAROLE"], &format!("{:?}", keys(&server)))?;
    let token = server
        .requests()
        .iter()
        .rfind(|request| request.method == "POST")
        .and_then(|request| request.header("x-amz-security-token").map(str::to_owned));
    ensure(token.as_deref() == Some("session"), "the session token was not sent")?;
    let without_token = server
        .requests()
        .iter()
        .any(|request| request.method == "GET" && request.header("x-aws-ec2-metadata-token").is_none());
    ensure(!without_token, "a request of IMDSv1 was sent")
}

fn none() -> Result<(), Box<dyn Error>> {
    let server = server()?;
    let said = case(&server, &[("AWS_EC2_METADATA_DISABLED", "true")])?;
    ensure(said.starts_with("Auth NotDone DescribeInstances: no usable AWS credentials"), &said)?;
    ensure(server.requests().is_empty(), "something was sent")
}
