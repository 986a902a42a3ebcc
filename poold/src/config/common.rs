//! The sections that every command with a pool has.

use super::{Reader, reader::Section};
use crate::{
    drivers::driver,
    program_config::{DriverChoice, RunnerChoice, SshChoice},
    say::with_causes,
};
use pool_core::{PoolConfig, PrivateKey};

/// A pool, a driver, and how workers are reached.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Common {
    pub(crate) pool: PoolConfig,
    pub(crate) driver: DriverChoice,
    pub(crate) ssh: SshChoice,
    pub(crate) runner: RunnerChoice,
}

/// The same, as far as it could be read.
#[derive(Debug)]
pub(crate) struct CommonSections {
    pub(crate) pool: Section<PoolConfig>,
    pub(crate) driver: Section<DriverChoice>,
    ssh: Section<SshChoice>,
    runner: Section<RunnerChoice>,
}

impl CommonSections {
    /// Reads them and checks what they say.
    pub(crate) fn read(reader: &mut Reader) -> Self {
        let pool: Section<PoolConfig> = reader.section("pool");
        if let (Some(config), true) = (&pool.value, pool.sound) {
            reader.checked("pool", config.validate());
        }
        let driver = if reader.has("driver") {
            reader.section("driver")
        } else {
            Section { value: Some(DriverChoice::default()), whole: true, sound: true }
        };
        Self { pool, driver, ssh: reader.section("ssh"), runner: reader.section("runner") }
    }

    /// Checks what they refer to: the driver, files.
    pub(crate) fn check_files(&self, reader: &mut Reader) {
        if let (Some(choice), true) = (&self.driver.value, self.driver.sound)
            && let Err(error) = driver(&choice.name)
        {
            reader.wrong("driver.name", error.to_string());
        }
        if let Some(ssh) = &self.ssh.value
            && let Some(path) = &ssh.key_file
            && let Err(error) = PrivateKey::from_file(path)
        {
            reader.wrong("ssh.key_file", with_causes(&error));
        }
        // Also of types that have something else wrong with them.
        let types = self.pool.value.as_ref().map(|pool| pool.instance_types.as_slice()).unwrap_or_default();
        if let Some(runner) = &self.runner.value
            && let Err(error) = runner.source().check_types(types)
        {
            reader.wrong("runner.program", with_causes(&error));
        }
    }

    pub(crate) fn into_common(self) -> Option<Common> {
        let (pool, driver) = (self.pool.value?, self.driver.value?);
        Some(Common { pool, driver, ssh: self.ssh.value?, runner: self.runner.value? })
    }
}
