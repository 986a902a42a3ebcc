//! `poold status`.

use super::{
    explain::Lines,
    failure::{Failure, OK},
    place::Place,
    print::ago,
};
use crate::{api::PoolStatus, client::Client, job::Moment};
use clap::Args;
use std::{collections::BTreeMap, fmt::Display};

#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes: 0 it runs and has answered, whatever hinders it; 1 it did not work; 2 the command line makes no sense; 3 poold serve \
does not run.")]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) place: Place,
}

impl StatusArguments {
    pub(crate) async fn run(self, client: Client) -> Result<u8, Failure> {
        let status = client.status().await?;
        if self.place.json {
            self.place.console.print_json(&status)?;
        } else {
            self.place.console.print(describe(&status, Moment::now()))?;
        }
        Ok(OK)
    }
}

fn counts<K: Display>(counts: &BTreeMap<K, u64>) -> String {
    let some: Vec<String> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    if some.is_empty() { "none".to_owned() } else { some.join(", ") }
}

fn describe(status: &PoolStatus, now: Moment) -> String {
    let mut text = Lines::default();
    text.add(
        "poold",
        format!("{}, pid {}, started {}", status.release, status.pid, ago(status.started_at, now)),
    );
    text.add("instance set", format!("{} ({})", status.instance_set, status.driver));
    text.add("jobs", counts(&status.jobs));
    text.add("instances", counts(&status.instances));
    text.add("price", format!("{:.4} an hour", status.price_per_hour));
    if !status.loaded {
        text.add("cloud", "the instances have not been listed yet: nothing is created before");
    }
    if status.at_quota {
        text.add("quota", "used up: no more instances can be created for now");
    }
    if !status.at_capacity.is_empty() {
        let types: Vec<&str> = status.at_capacity.iter().map(AsRef::as_ref).collect();
        text.add("no capacity", types.join(", "));
    }
    for problem in &status.problems {
        text.add("problem", problem);
    }
    text.0
}
