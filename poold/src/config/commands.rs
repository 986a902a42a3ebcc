//! `poold config`.

use super::{
    ServeConfig,
    load::{DEFAULT, Reading, of_this_process},
    section::better,
};
use crate::{
    cli::{BAD_INPUT, OK},
    drivers::driver,
    program_config::{DriverChoice, InputError},
    say::{say, with_causes},
};
use pool_core::{Capabilities, ConfigError, DriverConfigError, DriverContext, FieldProblem, InstanceSetId};
use serde::Serialize;
use serde_json::Value;
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// For a driver to look at its options.
const DRIVER_LIMIT: Duration = Duration::from_secs(30);
/// A driver names one problem at a time.
const MOST_DRIVER_PROBLEMS: usize = 20;

/// What follows `poold config`.
#[derive(clap::Subcommand, Clone, Debug)]
pub(crate) enum ConfigCommand {
    /// Prints the built-in configuration, to be changed and given with --config
    Default,
    /// Says all that is wrong with a configuration, and starts nothing
    Check(CheckOptions),
}

impl ConfigCommand {
    /// Does it.
    pub(crate) fn run(&self) -> ExitCode {
        match self {
            Self::Default => default(),
            Self::Check(options) => check(options),
        }
    }
}

/// Prints the built-in configuration.
fn default() -> ExitCode {
    print!("{DEFAULT}");
    ExitCode::from(OK)
}

/// What the command line says.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct CheckOptions {
    /// The file; the built-in configuration if none is given. Variables such as POOLD__POOL__MAX_INSTANCES win over it
    #[arg(long, value_name = "FILE", env = "POOLD_CONFIG")]
    config: Option<PathBuf>,
    /// Prints what was found as JSON
    #[arg(long)]
    json: bool,
}

/// Says all that is wrong with a configuration.
fn check(options: &CheckOptions) -> ExitCode {
    let result = check_all(options);
    if options.json {
        print_json(&result);
    } else {
        match &result {
            Ok(config) => println!("configuration is fine: {}", summary(config)),
            Err(error) => say(format!("poold: {}", with_causes(error))),
        }
    }
    ExitCode::from(if result.is_ok() { OK } else { BAD_INPUT })
}

fn check_all(options: &CheckOptions) -> Result<ServeConfig, InputError> {
    let mut reading = Reading::of(options.config.as_deref(), of_this_process()?)?;
    reading.check_files();
    let Reading { reader, common, .. } = &mut reading;
    if let (Some(choice), true, Some(pool)) = (&common.driver.value, common.driver.sound, &common.pool.value)
    {
        let (problems, capabilities) = ask_driver(choice.clone(), &pool.instance_set)?;
        reader.all_wrong("driver.options", problems);
        if let (Some(capabilities), true) = (capabilities, common.pool.sound) {
            reader.checked("pool", pool.validate_for(&capabilities));
        }
    }
    reading.finish()
}

/// What a driver says of its options, and what it can do, if it says. Nothing if there is no such driver: that was said.
fn ask_driver(
    choice: DriverChoice,
    instance_set: &InstanceSetId,
) -> Result<(Vec<FieldProblem>, Option<Capabilities>), InputError> {
    let Ok(driver) = driver(&choice.name) else { return Ok((Vec::new(), None)) };
    let parent = std::env::temp_dir();
    let directory = tempfile::tempdir().map_err(InputError::file(&parent))?;
    let runtime = tokio::runtime::Runtime::new().map_err(InputError::file(&parent))?;
    runtime.block_on(async {
        let mut options = choice.options;
        let mut problems = Vec::new();
        while problems.len() < MOST_DRIVER_PROBLEMS {
            let state_dir = directory.path().join(driver.name());
            let context = DriverContext { instance_set: instance_set.clone(), state_dir };
            let Ok(opened) = tokio::time::timeout(DRIVER_LIMIT, driver.open(options.clone(), context)).await
            else {
                let problem = format!("the driver has not answered within {DRIVER_LIMIT:?}");
                problems.push(FieldProblem { field: String::new(), problem });
                break;
            };
            match opened {
                Ok(cloud) => {
                    let capabilities = cloud.capabilities();
                    cloud.stop().await;
                    return Ok((problems, Some(capabilities)));
                }
                Err(error) => {
                    let DriverConfigError { field, .. } = &error;
                    let went_on = remove(&mut options, field);
                    let problem = with_causes(&error);
                    let problem = better(problem.strip_prefix(&format!("{field}: ")).unwrap_or(&problem));
                    problems.push(FieldProblem { field: field.clone(), problem });
                    if !went_on {
                        break;
                    }
                }
            }
        }
        Ok((problems, None))
    })
}

/// Removes a field, to see what else is wrong. False if it cannot be found.
fn remove(options: &mut Value, field: &str) -> bool {
    let mut at = options;
    let mut names = field.split('.').peekable();
    while let Some(name) = names.next() {
        let Some(table) = at.as_object_mut() else { return false };
        if names.peek().is_none() {
            return table.remove(name).is_some();
        }
        let Some(within) = table.get_mut(name) else { return false };
        at = within;
    }
    false
}

fn summary(config: &ServeConfig) -> String {
    let pool = &config.pool;
    let types: Vec<&str> = pool.instance_types.iter().map(|of| of.name.as_str()).collect();
    let most = match pool.max_instances {
        0 => "any number of instances".to_owned(),
        most => format!("at most {most} instances"),
    };
    let (driver, set) = (&config.driver.name, &pool.instance_set);
    format!("driver {driver}, instance set {set}, {most} of {}", types.join(", "))
}

#[derive(Serialize)]
struct Checked {
    fine: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct Problem {
    /// The field's path, with the variable that set it; the file where no field is to blame.
    field: String,
    problem: String,
}

fn print_json(result: &Result<ServeConfig, InputError>) {
    let problems = match result {
        Ok(_) => Vec::new(),
        Err(InputError::Problems { problems, .. } | InputError::Config(ConfigError::Invalid(problems))) => {
            problems.iter().map(|p| Problem { field: p.field.clone(), problem: p.problem.clone() }).collect()
        }
        Err(InputError::Config(ConfigError::Unreadable { place, problem })) => {
            vec![Problem { field: place.clone(), problem: problem.clone() }]
        }
        Err(other) => vec![Problem { field: String::new(), problem: with_causes(other) }],
    };
    let checked = Checked { fine: result.is_ok(), summary: result.as_ref().ok().map(summary), problems };
    match serde_json::to_string_pretty(&checked) {
        Ok(text) => println!("{text}"),
        Err(error) => unreachable!("it has only text keys: {error}"),
    }
}
