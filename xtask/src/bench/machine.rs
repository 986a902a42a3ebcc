use std::fmt;
use std::fs;
use std::process::Command;

use bytesize::ByteSize;
use serde::Serialize;

use crate::error::TaskError;
use crate::process::output_of;

/// What the figures were measured on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Machine {
    cores: usize,
    /// None where the system does not say.
    cpu: Option<String>,
    memory: Option<ByteSize>,
    kernel: String,
    rustc: String,
}

impl Machine {
    /// This one.
    pub(super) fn this() -> Result<Self, TaskError> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
            cpu: value(&told("/proc/cpuinfo"), "model name").map(str::to_owned),
            memory: value(&told("/proc/meminfo"), "MemTotal").and_then(|size| size.parse().ok()),
            kernel: said(Command::new("uname").arg("-sr"))?,
            rustc: said(Command::new(rustc).arg("--version"))?,
        })
    }
}

/// What the system tells in a file, nothing where it has none.
fn told(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The first value with this name, in lines such as `name : value`.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

fn said(command: &mut Command) -> Result<String, TaskError> {
    Ok(String::from_utf8_lossy(&output_of(command)?).trim().to_owned())
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, cpu, memory, kernel, rustc } = self;
        write!(out, "{cores} cores of {}", cpu.as_deref().unwrap_or("an unknown kind"))?;
        if let Some(memory) = memory {
            write!(out, ", {memory} of memory")?;
        }
        write!(out, ", {kernel}, {rustc}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_can_be_described() {
        let machine = Machine::this().unwrap();
        assert!(machine.cores > 0 && machine.rustc.starts_with("rustc "), "{machine}");
    }

    #[test]
    fn what_the_system_tells_is_found_by_its_name() {
        let text = "processor\t: 0\nmodel name\t: A: B\nmodel name\t: C\nMemTotal:       16384 kB\n";
        assert_eq!(value(text, "model name"), Some("A: B"));
        assert_eq!(value(text, "MemTotal").unwrap().parse(), Ok(ByteSize::kb(16_384)));
        assert_eq!(value(text, "flags"), None);
    }
}
