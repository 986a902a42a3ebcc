use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use super::drivers::{DRIVERS, Driver, chosen};
use super::program::{self, Wishes};
use super::report::{DriverReport, Ended};
use super::table::Table;
use crate::error::TaskError;
use crate::process::seconds;

const EXIT_WRONG_COMMAND_LINE: u8 = 2;
const EXIT_MISSING: u8 = 3;
const EXIT_BUILD_FAILED: u8 = 4;

#[derive(Debug, clap::Args)]
pub(crate) struct ConformanceArgs {
    /// Only trials whose name contains this
    filter: Option<String>,
    /// Only this driver (may be given several times)
    #[arg(short, long, value_name = "NAME")]
    driver: Vec<String>,
    /// With real machines: each boots, is verified, runs a command and is destroyed, and each step is measured. Costs
    /// money in a real account
    #[arg(long)]
    live: bool,
    /// The driver's own table of a configuration, as TOML, for one driver
    #[arg(long, value_name = "FILE", requires = "driver")]
    config: Option<PathBuf>,
    /// Print the reports as one JSON document, and nothing else to standard output
    #[arg(long)]
    json: bool,
    /// Write the reports as JUnit XML to a file, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Builds and runs the conformance program of each driver, and shows all results together.
pub(crate) fn run(args: &ConformanceArgs) -> Result<ExitCode, TaskError> {
    let drivers = match chosen(&args.driver) {
        Ok(drivers) => drivers,
        Err(unknown) => {
            let known: Vec<&str> = DRIVERS.iter().map(|driver| driver.name).collect();
            eprintln!("error: there is no driver {unknown:?}; there are: {}", known.join(", "));
            return Ok(ExitCode::from(EXIT_WRONG_COMMAND_LINE));
        }
    };
    if args.config.is_some() && drivers.len() != 1 {
        eprintln!("error: --config is the configuration of one driver: give one --driver with it");
        return Ok(ExitCode::from(EXIT_WRONG_COMMAND_LINE));
    }

    let junit_parts = JunitParts::new(args.junit.as_deref())?;
    let mut all = Vec::new();
    for driver in drivers {
        let wishes = Wishes {
            filter: args.filter.clone(),
            live: args.live,
            config: args.config.as_deref().map(absolute).transpose()?,
            junit: junit_parts.as_ref().map(|parts| parts.of(&driver)),
        };
        all.push((driver, one(&driver, &wishes)?));
    }
    if let Some(parts) = junit_parts {
        parts.join()?;
    }

    let reports: Vec<DriverReport> = all
        .iter()
        .filter_map(|(_, ended)| if let Ended::Ran(report) = ended { Some(report.clone()) } else { None })
        .collect();
    if args.json {
        println!("{}", serde_json::json!({ "drivers": reports }));
    } else if !reports.is_empty() {
        print!("\n{}", Table(&reports));
    }
    for (driver, ended) in &all {
        say(driver, ended);
    }
    let ended: Vec<Ended> = all.into_iter().map(|(_, ended)| ended).collect();
    Ok(ExitCode::from(verdict(&ended)))
}

/// The program runs in another folder.
fn absolute(path: &Path) -> Result<PathBuf, TaskError> {
    std::path::absolute(path).map_err(|source| TaskError::Read { path: path.to_path_buf(), source })
}

fn one(driver: &Driver, wishes: &Wishes) -> Result<Ended, TaskError> {
    eprintln!("== {}: needs {}", driver.name, driver.needs);
    let began = Instant::now();
    let Some(program) = program::build(driver)? else { return Ok(Ended::BuildFailed) };
    let built = began.elapsed();
    let ended = program::run(driver, program, wishes)?;
    eprintln!(
        "-- {}: built in {}, ran for {}",
        driver.name,
        seconds(built),
        seconds(began.elapsed() - built)
    );
    Ok(ended)
}

fn say(driver: &Driver, ended: &Ended) {
    let name = driver.name;
    match ended {
        Ended::Ran(_) => {}
        Ended::NothingToRun => eprintln!("{name}: the filter names none of its trials"),
        Ended::Missing => eprintln!("error: {name} was not tried, because something is missing: see above"),
        Ended::BuildFailed => eprintln!("error: {name} was not tried: its build failed"),
        Ended::Broken(why) => eprintln!("error: the conformance program of {name} does not work: {why}"),
    }
}

/// A failure counts most, then what could not be tried. Nothing at all is no success.
fn verdict(all: &[Ended]) -> u8 {
    let any = |of: fn(&Ended) -> bool| all.iter().any(of);
    if any(|ended| {
        matches!(ended, Ended::Broken(_)) || matches!(ended, Ended::Ran(report) if report.failed > 0)
    }) {
        1
    } else if any(|ended| *ended == Ended::BuildFailed) {
        EXIT_BUILD_FAILED
    } else if any(|ended| *ended == Ended::Missing) {
        EXIT_MISSING
    } else if any(|ended| matches!(ended, Ended::Ran(report) if report.passed > 0)) {
        0
    } else {
        eprintln!("error: no trial has passed: nothing was tried");
        1
    }
}

/// The JUnit files of the drivers, until they are one.
struct JunitParts {
    whole: PathBuf,
    parts: std::cell::RefCell<Vec<PathBuf>>,
}

impl JunitParts {
    fn new(file: Option<&Path>) -> Result<Option<Self>, TaskError> {
        let Some(file) = file else { return Ok(None) };
        Ok(Some(Self { whole: absolute(file)?, parts: Default::default() }))
    }

    fn of(&self, driver: &Driver) -> PathBuf {
        let mut name = self.whole.clone().into_os_string();
        name.push(format!(".{}", driver.name));
        let part = PathBuf::from(name);
        self.parts.borrow_mut().push(part.clone());
        part
    }

    fn join(self) -> Result<(), TaskError> {
        let unreadable = |path: &Path| {
            let path = path.to_path_buf();
            move |source| TaskError::Read { path, source }
        };
        let mut whole = quick_junit::Report::new("conformance");
        for part in self.parts.into_inner() {
            let text = match fs::read_to_string(&part) {
                // It did not run.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                text => text.map_err(unreadable(&part))?,
            };
            let report = quick_junit::Report::deserialize_from_str(&text)
                .map_err(|error| unreadable(&part)(std::io::Error::other(error)))?;
            whole.add_test_suites(report.test_suites);
            fs::remove_file(&part).map_err(unreadable(&part))?;
        }
        let path = self.whole;
        let text = whole.to_string().map_err(std::io::Error::other);
        text.and_then(|text| fs::write(&path, text)).map_err(|source| TaskError::Create { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(passed: usize, failed: usize) -> Ended {
        Ended::Ran(DriverReport {
            driver: "a".to_owned(),
            live: false,
            seconds: 1.0,
            passed,
            failed,
            excluded: 0,
            trials: Vec::new(),
        })
    }

    #[test]
    fn only_what_was_tried_and_passed_is_a_success() {
        assert_eq!(verdict(&[ran(3, 0)]), 0);
        assert_eq!(verdict(&[ran(3, 0), Ended::NothingToRun]), 0);
        assert_eq!(verdict(&[Ended::NothingToRun]), 1);
        assert_eq!(verdict(&[ran(0, 0)]), 1);
        assert_eq!(verdict(&[ran(3, 0), Ended::Missing]), 3);
        assert_eq!(verdict(&[ran(3, 1), Ended::Missing, Ended::BuildFailed]), 1);
        assert_eq!(verdict(&[ran(3, 0), Ended::Missing, Ended::BuildFailed]), 4);
        assert_eq!(verdict(&[Ended::Broken("killed".to_owned())]), 1);
    }
}
