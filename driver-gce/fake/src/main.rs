//! A stand-in for the Compute Engine API on this machine, to try the driver without an account.

use clap::Parser;
use gce_fake::{Fake, Settings};
use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

/// Answers like Compute Engine, without machines.
#[derive(Debug, Parser)]
#[command(name = "gce-fake", version)]
struct Options {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:8086")]
    listen: SocketAddr,
    /// The project.
    #[arg(long, default_value = "fake-project")]
    project: String,
    /// A zone; may be given several times.
    #[arg(long = "zone")]
    zones: Vec<String>,
    /// How long operations take, such as `2s`.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    operation_time: Duration,
}

fn main() -> io::Result<()> {
    let Options { listen, project, zones, operation_time } = Options::parse();
    let mut settings = Settings { project, operation_time, exchanges_kept: 0, ..Settings::default() };
    if !zones.is_empty() {
        settings.zones = zones;
    }
    let fake = Fake::start_on(settings, listen)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{url} (for the driver: endpoint = \"{url}\")", url = fake.url())?;
    out.flush()?;
    drop(out);
    loop {
        std::thread::park();
    }
}
