use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use super::report::{DriverReport, Outcome, Trial};

/// The reports of all drivers that ran: a row for each trial, a column for each driver, and what there is to say.
pub(crate) struct Table<'a>(pub(crate) &'a [DriverReport]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: BTreeSet<&str> =
            self.0.iter().flat_map(|report| &report.trials).map(|trial| trial.name.as_str()).collect();
        let width = names.iter().map(|name| name.len()).max().unwrap_or_default();
        let mut heads = String::new();
        for report in self.0 {
            write!(heads, "  {:<10}", report.driver)?;
        }
        writeln!(out, "{:<width$}{}", "trial", heads.trim_end())?;
        for name in &names {
            let cells =
                self.0.iter().map(|report| format!("  {:<10}", cell(report, name))).collect::<String>();
            writeln!(out, "{name:<width$}{}", cells.trim_end())?;
        }
        for report in self.0 {
            excluded(out, report)?;
            steps(out, report)?;
        }
        for report in self.0 {
            failed(out, report)?;
        }
        writeln!(out)?;
        for report in self.0 {
            let DriverReport { driver, passed, failed, excluded, seconds, .. } = report;
            writeln!(
                out,
                "{driver}: {passed} passed, {failed} failed, {excluded} excluded in {seconds:.1} s"
            )?;
        }
        Ok(())
    }
}

fn cell(report: &DriverReport, name: &str) -> &'static str {
    match report.trials.iter().find(|trial| trial.name == name).map(|trial| &trial.outcome) {
        Some(Outcome::Passed) => "ok",
        Some(Outcome::Failed(_)) => "FAILED",
        Some(Outcome::Excluded(_)) => "excluded",
        None => "-",
    }
}

/// Why trials were excluded, each reason once.
fn excluded(out: &mut fmt::Formatter<'_>, report: &DriverReport) -> fmt::Result {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for trial in &report.trials {
        if let Outcome::Excluded(why) = &trial.outcome {
            by_reason.entry(why).or_default().push(&trial.name);
        }
    }
    if !by_reason.is_empty() {
        writeln!(out, "\nexcluded for {}:", report.driver)?;
    }
    for (why, names) in by_reason {
        writeln!(out, "  {why}:\n    {}", names.join("\n    "))?;
    }
    Ok(())
}

fn steps(out: &mut fmt::Formatter<'_>, report: &DriverReport) -> fmt::Result {
    for Trial { name, steps, .. } in report.trials.iter().filter(|trial| !trial.steps.is_empty()) {
        writeln!(out, "\n{}, {name}:", report.driver)?;
        for step in steps {
            writeln!(out, "{:>10.3} s  {}", step.seconds, step.name)?;
        }
    }
    Ok(())
}

fn failed(out: &mut fmt::Formatter<'_>, report: &DriverReport) -> fmt::Result {
    for trial in &report.trials {
        if let Outcome::Failed(why) = &trial.outcome {
            writeln!(out, "\n{} FAILED {}\n  {why}", report.driver, trial.name)?;
            writeln!(out, "  contract: {}; or else: {}", trial.clause, trial.reason)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(driver: &str, trials: &[(&str, Outcome)]) -> DriverReport {
        let trial = |(name, outcome): &(&str, Outcome)| Trial {
            name: (*name).to_owned(),
            clause: "clause 2".to_owned(),
            reason: "half a list would destroy jobs".to_owned(),
            outcome: outcome.clone(),
            seconds: 0.0,
            steps: Vec::new(),
        };
        DriverReport {
            driver: driver.to_owned(),
            live: false,
            seconds: 1.0,
            passed: 1,
            failed: 0,
            excluded: 0,
            trials: trials.iter().map(trial).collect(),
        }
    }

    #[test]
    fn each_trial_has_a_row_and_each_driver_a_column() {
        let reports = [
            report("one", &[("a", Outcome::Passed), ("b", Outcome::Excluded("no pages".into()))]),
            report("two", &[("b", Outcome::Failed("half a list".into()))]),
        ];
        let text = Table(&reports).to_string();
        let rows: Vec<Vec<&str>> = text.lines().take(3).map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(
            rows,
            [vec!["trial", "one", "two"], vec!["a", "ok", "-"], vec!["b", "excluded", "FAILED"]]
        );
        assert!(text.contains("excluded for one:\n  no pages:\n    b\n"), "{text}");
        assert!(text.contains(
            "two FAILED b\n  half a list\n  contract: clause 2; or else: half a list would destroy jobs\n"
        ));
        assert!(text.ends_with("two: 1 passed, 0 failed, 0 excluded in 1.0 s\n"), "{text}");
    }
}
