//! The whole daemon on the EC2 driver: jobs in, instances made through EC2's API, jobs done over SSH, instances gone.
//!
//! The cloud is moto's server. Its instances are no machines, so for each a machine is started here: it runs the
//! instance's user data as cloud-init does, and lets its key pair in through a real sshd. All else is as it is on EC2; the
//! driver is only told where the machines are.

mod daemon;
mod machine;
#[path = "../../../tests/moto/moto.rs"]
mod moto;
mod park;
