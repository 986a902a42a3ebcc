//! Runs commands on a worker over one SSH connection that verifies its host first.
//!
//! [`SshExecutor`] implements [`pool_api::Executor`]. One connection to a worker carries all its commands and
//! conversations at once; it is made when it is first needed, made anew when it was lost, and used only
//! after its [`HostVerifier`](pool_api::HostVerifier) has accepted the host.
//!
//! ```no_run
//! use executor_ssh::{PrivateKey, SshConfig, SshExecutor};
//! use pool_api::{Command, Executor, HostVerifier, RemoteUser, Target};
//! use std::sync::Arc;
//!
//! # async fn example(verifier: Arc<dyn HostVerifier>) -> Result<(), Box<dyn std::error::Error>> {
//! let config = Arc::new(SshConfig::new(PrivateKey::from_file("/etc/pool/id_ed25519")?));
//! let target = Target {
//!     address: "10.0.0.7".into(),
//!     user: RemoteUser { name: "root".into(), privilege: Default::default() },
//! };
//! let executor = SshExecutor::new(config, Some(target), verifier);
//! let output = executor.execute(Command::new("uname -m")).await?;
//! println!("{}", String::from_utf8_lossy(&output.stdout));
//! # Ok(()) }
//! ```
//!
//! # What it does not do
//! No password, agent or keyboard-interactive login: the pool's key or nothing. Channels that the host
//! wants to open (forwarded ports, agents, X11) are refused. RSA is not compiled in, neither for the pool's
//! key nor for host keys: see [`PrivateKey`].
//!
//! # One connection is one queue
//! Output that nobody takes is not buffered without end: once the buffers of a conversation are full, the
//! whole connection waits, and with it every other command on that worker. Whoever
//! [opens](pool_api::Executor::open) a conversation must read it, or drop its reader.

mod address;
mod channel;
mod client;
mod command;
mod config;
mod connection;
mod conversation;
mod end;
mod executor;
mod key;
mod shared_error;
mod slots;
mod socket;

pub use config::SshConfig;
pub use executor::SshExecutor;
pub use key::{KeyError, KeyOrigin, PrivateKey};
