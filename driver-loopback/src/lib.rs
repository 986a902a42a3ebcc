//! A cloud on one machine: the driver for trying everything out, for tests, and for using one machine as a pool.
//!
//! Each instance is a directory, a real SSH server on a port of 127.0.0.1 with a host key of its own, and real
//! processes of the current user. Instances are recorded on disk: who opens the same state directory later finds them
//! again, with their jobs still running. What real clouds refuse and break can be asked for as
//! [data](LoopbackConfig::faults), with a [seed](LoopbackConfig::seed).
//!
//! Linux 5.3 or later: processes are found in `/proc` and signalled through handles that cannot hit another one.
//!
//! # What it does not isolate
//! All instances, their jobs and the pool are one user on one machine. A job can read and signal whatever that user
//! can. Nothing that the driver does stops or reboots the machine: [`power_off`](pool_api::Instance::power_off) is none.
//!
//! # What destroying leaves behind
//! Nothing in the instance's directory, and no process that
//! * carries the instance's marker in its environment (whatever it or its parents have done to be left alone), or
//! * has its program, working directory or an open file in that directory, and no terminal, or
//! * descends from such a process, or is in the session or process group of one.
//!
//! A process that has cleared its environment, and left the directory, and whose parents within the instance have all
//! ended, is not recognised. Files that a job makes elsewhere are its own affair; `TMPDIR` lies in the directory.

mod config;
mod driver;
mod error;
mod faults;
mod instance;
mod life;
mod machine;
mod model;
mod set;
pub mod sim;
mod ssh;
mod world;

pub use config::LoopbackConfig;
pub use driver::LoopbackDriver;
pub use error::{LoopbackError, Operation};
pub use faults::{BootFaults, CapacityLimit, Faults, MachineFault, OperationFaults, Quota, Rate};
pub use instance::LoopbackInstance;
pub use set::LoopbackInstanceSet;
