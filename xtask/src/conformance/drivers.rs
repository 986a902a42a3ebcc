/// A driver that has a conformance program: the test `conformance` of its package.
///
/// This program depends on none of them: it builds and runs theirs, so that no small task compiles an SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Driver {
    /// As in a configuration.
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
    /// What its trials need beside Rust. Its own program looks for it, says how to get it and exits with 3.
    pub(crate) needs: &'static str,
}

/// In the order in which they are tried and shown.
pub(crate) const DRIVERS: [Driver; 4] = [
    Driver { name: "loopback", package: "driver-loopback", needs: "Linux 5.3 or later" },
    Driver {
        name: "ec2",
        package: "driver-ec2",
        needs: "Python 3.10 or later with venv; PyPI for the first run; 8 GB of memory to compile the SDK",
    },
    Driver {
        name: "gce",
        package: "driver-gce",
        needs: "Python 3.10 or later with venv; PyPI for the first run",
    },
    Driver {
        name: "azure",
        package: "driver-azure",
        needs: "Python 3.10 or later with venv; PyPI for the first run",
    },
];

/// The drivers of these names, or all; the first name that is none, if there is one.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<Driver>, String> {
    if names.is_empty() {
        return Ok(DRIVERS.to_vec());
    }
    if let Some(unknown) = names.iter().find(|name| DRIVERS.iter().all(|driver| driver.name != name.as_str()))
    {
        return Err(unknown.clone());
    }
    Ok(DRIVERS.into_iter().filter(|driver| names.iter().any(|name| name == driver.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::repository_root;

    fn names(names: &[&str]) -> Result<Vec<&'static str>, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(chosen(&names)?.iter().map(|driver| driver.name).collect())
    }

    #[test]
    fn all_are_chosen_unless_some_are_named() {
        assert_eq!(names(&[]), Ok(vec!["loopback", "ec2", "gce", "azure"]));
        assert_eq!(names(&["ec2"]), Ok(vec!["ec2"]));
        assert_eq!(names(&["gce", "loopback"]), Ok(vec!["loopback", "gce"]));
        assert_eq!(names(&["ec2", "ecs"]), Err("ecs".to_owned()));
    }

    #[test]
    fn every_driver_has_a_conformance_program_and_every_program_is_in_the_table() {
        let root = repository_root();
        for driver in DRIVERS {
            let file = root.join(driver.package).join("tests/conformance/main.rs");
            assert!(file.is_file(), "{}", file.display());
        }
        for entry in std::fs::read_dir(&root).unwrap() {
            let folder = entry.unwrap().path();
            let package = folder.file_name().unwrap().to_str().unwrap().to_owned();
            if package.starts_with("driver-") && folder.join("tests/conformance").is_dir() {
                assert!(
                    DRIVERS.iter().any(|driver| driver.package == package),
                    "{package} is not in the table"
                );
            }
        }
    }
}
