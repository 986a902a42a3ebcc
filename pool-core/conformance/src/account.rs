//! A real account.

use crate::{Missing, Settings};
use pool_api::{DriverConfigError, ImageId, InstanceType};
use serde::Deserialize;
use serde_json::Value;
use std::fs;

/// A real account, as the file describes it that the command line names with `--config`: the driver's own table, and in
/// it a table `conformance`.
#[derive(Clone, Debug)]
pub struct Account {
    /// The driver's own table, without `conformance`.
    pub config: Value,
    /// An image that lets the configured user in and runs the init command.
    pub image: ImageId,
    /// The cheapest type that boots it.
    pub instance_type: InstanceType,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trials {
    image: ImageId,
    instance_type: InstanceType,
}

impl Account {
    /// Reads the file. `check` is the driver's own check of its table.
    ///
    /// # Errors
    /// [`Missing`] with what is wrong in which file.
    pub fn read(
        settings: &Settings,
        check: impl FnOnce(Value) -> Result<(), DriverConfigError>,
    ) -> Result<Self, Missing> {
        const HOW: &str = "a real account needs --config FILE: the driver's own table, and a table `conformance` with \
                           `image` and `instance_type`";
        let path = settings.config.as_ref().ok_or_else(|| Missing(HOW.to_owned()))?;
        let in_file = |problem: String| Missing(format!("{}: {problem}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| in_file(error.to_string()))?;
        let mut table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| in_file(error.to_string()))?;
        let trials = table.remove("conformance").ok_or_else(|| in_file(HOW.to_owned()))?;
        let Trials { image, instance_type } =
            trials.try_into().map_err(|error| in_file(format!("conformance: {error}")))?;
        let config = serde_json::to_value(table)?;
        check(config.clone())?;
        Ok(Self { config, image, instance_type })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Account, Missing> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("account.toml");
        fs::write(&file, text).unwrap();
        let settings = Settings { live: true, config: Some(file) };
        Account::read(&settings, |config| match config.get("zone") {
            Some(_) => Ok(()),
            None => Err(DriverConfigError::new("zone", "is required")),
        })
    }

    const TRIALS: &str = "[conformance]\nimage = 'i-1'\ninstance_type = { name = 'a', provider_type = 'b', vcpus = 1, \
                          memory = '1 GiB', price = 0.1 }\n";

    #[test]
    fn the_driver_gets_its_own_table_alone() {
        let account = read(&format!("zone = 'z'\n{TRIALS}")).unwrap();
        assert_eq!(account.config, serde_json::json!({ "zone": "z" }));
        assert_eq!(account.image.as_str(), "i-1");
    }

    #[test]
    fn what_is_missing_is_said() {
        let problems = [
            (read(TRIALS), "zone: is required"),
            (read("zone = 'z'\n"), "a table `conformance`"),
            (read("zone = 'z'\n[conformance]\nimage = 'i-1'\n"), "instance_type"),
            (Account::read(&Settings::default(), |_| Ok(())), "--config FILE"),
        ];
        for (result, expected) in problems {
            let Missing(text) = result.unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }
}
