//! `poold instances`, `hold`, `drain`, `run` and `kill-instance`.

use super::{
    change::each,
    failure::{Failure, OK},
    place::Place,
    print::{ago, cell, duration, optional, table},
};
use crate::{api::InstanceRow, client::Client, job::Moment};
use clap::Args;
use comfy_table::{Cell, Table};
use pool_core::InstanceId;
use std::time::Duration;

#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes: 0 they were printed, also if there are none; 1 it did not work; 2 the command line makes no sense; 3 poold serve does \
not run.")]
pub(crate) struct InstancesArguments {
    #[command(flatten)]
    pub(crate) place: Place,
}

impl InstancesArguments {
    pub(crate) async fn run(self, client: Client) -> Result<u8, Failure> {
        let instances = client.instances().await?;
        if self.place.json {
            self.place.console.print_json(&instances)?;
        } else if instances.is_empty() {
            self.place.console.say("no instances");
        } else {
            self.place.console.print_table(&rows(&instances, Moment::now()))?;
        }
        Ok(OK)
    }
}

fn rows(instances: &[InstanceRow], now: Moment) -> Table {
    let mut table =
        table(&["ID", "TYPE", "STATE", "WHEN IDLE", "JOBS", ">PRICE/H", "IDLE FOR", "CREATED", "REASON"]);
    for instance in instances {
        let idle = instance.idle_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let jobs: Vec<&str> = instance.running_jobs.iter().map(AsRef::as_ref).collect();
        table.add_row([
            optional(instance.id.as_ref()),
            cell(instance.instance_type.as_str()),
            cell(&instance.worker_state),
            cell(&instance.idle_behavior),
            optional((!jobs.is_empty()).then(|| jobs.join(" ")).as_ref()),
            optional(instance.price.map(|price| format!("{price:.4}")).as_ref()),
            optional(idle.map(duration).as_ref()),
            optional(instance.created_at.map(|created| ago(created, now)).as_ref()),
            instance.reason.as_deref().map_or_else(|| Cell::new(""), cell),
        ]);
    }
    table
}

#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes: 0 it was done, and the cloud has saved it, for all of them; 1 not for some; 2 the command line makes no sense; \
3 poold serve does not run.")]
pub(crate) struct ActArguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Ids
    #[arg(required = true, value_name = "INSTANCE")]
    instances: Vec<InstanceId>,
    /// Why, for who looks at it later
    #[arg(long)]
    reason: Option<String>,
}

impl ActArguments {
    /// `hold`, `drain` or `run`.
    pub(crate) async fn run(self, action: &str, client: Client) -> Result<u8, Failure> {
        let (client, reason) = (&client, &self.reason);
        let line = |instance: &InstanceRow| format!("{}: {}", id(instance), instance.idle_behavior);
        each(&self.place, &self.instances, line, |id| client.act_on_instance(id, action, reason.clone()))
            .await
    }
}

#[derive(Args, Debug)]
#[command(after_help = "\
Destroys the instance at once, with all that runs on it; its jobs are queued again if they have attempts left.

Exit codes: 0 it was asked for, for all of them; 1 not for some; 2 the command line makes no sense; 3 poold serve does not run.")]
pub(crate) struct KillInstanceArguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Ids
    #[arg(required = true, value_name = "INSTANCE")]
    instances: Vec<InstanceId>,
    /// Why, for who looks at it later
    #[arg(long)]
    reason: Option<String>,
}

impl KillInstanceArguments {
    pub(crate) async fn run(self, client: Client) -> Result<u8, Failure> {
        let (client, reason) = (&client, &self.reason);
        let line = |instance: &InstanceRow| format!("{} is being destroyed", id(instance));
        each(&self.place, &self.instances, line, |id| client.act_on_instance(id, "kill", reason.clone()))
            .await
    }
}

fn id(instance: &InstanceRow) -> &str {
    instance.id.as_ref().map_or("-", InstanceId::as_str)
}
