use std::path::{Path, PathBuf};

use crate::error::TaskError;

/// Where sshd looks for its empty folder when root starts it. It is on a tmpfs, so a reboot removes it.
const SSHD_FOLDER: &str = "/run/sshd";

/// A program that some tests start.
struct Prerequisite {
    program: &'static str,
    /// Where it may be although the PATH of a normal user does not say so.
    elsewhere: &'static str,
    debian_package: &'static str,
    needed_for: &'static str,
}

const PREREQUISITES: [Prerequisite; 5] = [
    Prerequisite {
        program: "sshd",
        elsewhere: "/usr/sbin/sshd",
        debian_package: "openssh-server",
        needed_for: "the SSH executor is tested against OpenSSH's server",
    },
    Prerequisite {
        program: "sudo",
        elsewhere: "/usr/bin/sudo",
        debian_package: "sudo",
        needed_for: "workers whose remote user is not root become root through it",
    },
    Prerequisite {
        program: "chromium",
        elsewhere: "/usr/bin/chromium",
        debian_package: "chromium",
        needed_for: "the web page is tested in a real browser",
    },
    Prerequisite {
        program: "chromedriver",
        elsewhere: "/usr/bin/chromedriver",
        debian_package: "chromium-driver",
        needed_for: "the browser is driven through it",
    },
    Prerequisite {
        program: "promtool",
        elsewhere: "/usr/bin/promtool",
        debian_package: "prometheus",
        needed_for: "the metrics, the alerts and the dashboard are checked with Prometheus itself",
    },
];

/// What is missing and how to get it, as one text; `None` if all is there.
pub(crate) fn missing() -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    missing_from(|prerequisite| {
        Path::new(prerequisite.elsewhere).is_file()
            || folders.iter().any(|folder| folder.join(prerequisite.program).is_file())
    })
}

fn missing_from(is_there: impl Fn(&Prerequisite) -> bool) -> Option<String> {
    let absent: Vec<&Prerequisite> = PREREQUISITES.iter().filter(|each| !is_there(each)).collect();
    if absent.is_empty() {
        return None;
    }
    let mut text = String::from("the tests need programs that are not installed here:\n");
    for each in &absent {
        text.push_str(&format!("  {}: {}\n", each.program, each.needed_for));
    }
    let packages: Vec<&str> = absent.iter().map(|each| each.debian_package).collect();
    text.push_str(&format!("on Debian or Ubuntu, as root: apt-get install {}", packages.join(" ")));
    Some(text)
}

/// Makes the folder that sshd insists on when root starts it. Returns what was done, if anything.
pub(crate) fn prepare() -> Result<Option<String>, TaskError> {
    let folder = Path::new(SSHD_FOLDER);
    if !rustix::process::geteuid().is_root() || folder.is_dir() {
        return Ok(None);
    }
    std::fs::create_dir_all(folder)
        .map_err(|source| TaskError::Create { path: folder.to_path_buf(), source })?;
    Ok(Some(format!("created {SSHD_FOLDER}, which sshd needs when root starts it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_when_all_is_there() {
        assert_eq!(missing_from(|_| true), None);
    }

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let text = missing_from(|each| each.program == "sudo").unwrap();
        assert!(
            text.ends_with("apt-get install openssh-server chromium chromium-driver prometheus"),
            "{text}"
        );
        assert!(!text.contains("sudo"), "{text}");
    }

    #[test]
    fn one_command_installs_all_that_is_missing() {
        let text = missing_from(|_| false).unwrap();
        assert!(
            text.ends_with("apt-get install openssh-server sudo chromium chromium-driver prometheus"),
            "{text}"
        );
    }
}
