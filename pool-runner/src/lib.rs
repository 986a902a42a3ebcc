//! What runs on a worker of an elastic pool.
//!
//! One program with several faces, all reached through [`main`]:
//!
//! * **attach** joins its standard input and output to the daemon (and starts it when there is none). A pool
//!   runs it over SSH; the frames that flow are those of `pool-protocol`.
//! * **daemon** is the one process a worker that takes the requests, answers them and pushes events. One thread,
//!   one `poll`: idle, it uses no CPU time.
//! * **keeper** is one small process for each run that goes on. It starts the job, writes its output, ends it when told to, takes
//!   care that it leaves nothing behind, and records how it ended. It does not need the daemon: when that is
//!   killed, the jobs go on, and their ends are known all the same to the next daemon. When a keeper itself is
//!   killed, what is left of its run is killed too, and the outcome is unknown, never guessed. After a small job it keeps the
//!   next one, so that a short job does not cost two new processes.
//!
//! The program is `pool-runner`. A host program that calls [`run_if_asked`] first thing in its `main` can be its
//! own runner: `poold runner attach …` is `pool-runner attach …`.
//!
//! # Limits
//! * Linux only.
//! * Jobs run as the user that the runner runs as, unless the file `runner-user` in the root names another (a name
//!   from `/etc/passwd`, or `uid:gid`; this needs root). Without it a job can read the runner's files, and other
//!   jobs' files: one worker is one trust domain.
//! * A job's descendants are found as such (each keeper adopts the orphans among them) and killed when the job
//!   ends. There is no cgroup: a process that forks without end, faster than it is killed, can outlive its run.
//! * Files of runs survive the death of any process, and not the loss of power, which ends all jobs of the machine: one that the
//!   runner does not know any longer is then given to a worker again, as when the machine is gone.

#[macro_use]
mod log;

mod attach;
mod cli;
mod daemon;
mod error;
mod files;
mod job_user;
mod journal;
mod keeper;
mod layout;
mod order;
mod process;
mod program;
mod text;

pub use cli::{can_run_self, main, run_if_asked};
