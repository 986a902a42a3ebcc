//! A stand-in for Azure's Resource Manager on this machine, to try the driver without an account.

use azure_fake::{Fake, Settings};
use clap::Parser;
use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

/// Answers like Azure's Resource Manager, without machines.
#[derive(Debug, Parser)]
#[command(name = "azure-fake", version)]
struct Options {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:8087")]
    listen: SocketAddr,
    /// A resource group; may be given several times.
    #[arg(long = "resource-group")]
    resource_groups: Vec<String>,
    /// The location.
    #[arg(long, default_value = "westeurope")]
    location: String,
    /// How long operations take, such as `2s`.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    operation_time: Duration,
    /// Whether calls must bring a token that has been issued here.
    #[arg(long)]
    check_tokens: bool,
}

fn main() -> io::Result<()> {
    let Options { listen, resource_groups, location, operation_time, check_tokens } = Options::parse();
    let mut settings = Settings {
        location,
        operation_time,
        check_tokens,
        retry_after: 1,
        exchanges_kept: 0,
        ..Settings::default()
    };
    if !resource_groups.is_empty() {
        settings.resource_groups = resource_groups;
    }
    let Settings { subscription, tenant, client_id, client_secret, resource_groups, .. } = settings.clone();
    let fake = Fake::start_on(settings, listen)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{url} (for the driver: endpoint = \"{url}\", authority = \"{url}\")\n\
         subscription {subscription}, resource groups {groups}\n\
         tenant {tenant}, client {client_id}, secret {client_secret}",
        url = fake.url(),
        groups = resource_groups.join(", "),
    )?;
    out.flush()?;
    drop(out);
    loop {
        std::thread::park();
    }
}
