//! Which user jobs run as.

use crate::{files, layout::Layout};
use std::{fs, io};

/// A user of their own, for jobs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct JobUser {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: Option<String>,
}

impl JobUser {
    /// The user that the root's `runner-user` names; none without that file: then jobs run as the runner does.
    ///
    /// # Errors
    /// The file names nobody. A job is then not started: it would run with rights that it must not have.
    pub(crate) fn configured(layout: &Layout) -> io::Result<Option<Self>> {
        let path = layout.job_user();
        let Some(bytes) = files::read_small(&path, 1000)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes);
        let name = text.lines().next().unwrap_or_default().trim();
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self::find(name, &passwd).map(Some).ok_or_else(|| {
            io::Error::other(format!(
                "{} names {name:?}, which is neither a user in /etc/passwd nor uid:gid",
                path.display()
            ))
        })
    }

    fn find(name: &str, passwd: &str) -> Option<Self> {
        if let Some((uid, gid)) = name.split_once(':') {
            return Some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()?, home: None });
        }
        passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [user, _, uid, gid, _, home, ..] = fields[..] else { return None };
            let found = user == name && !name.is_empty();
            found.then(|| {
                Some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()?, home: Some(home.into()) })
            })?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_or_numbers() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\njobs:x:1001:1002:,,,:/home/jobs:/bin/false\nbad\n";
        let jobs = JobUser { uid: 1001, gid: 1002, home: Some("/home/jobs".into()) };
        assert_eq!(JobUser::find("jobs", passwd), Some(jobs));
        assert_eq!(JobUser::find("7:8", passwd), Some(JobUser { uid: 7, gid: 8, home: None }));
        for nobody in ["", "job", "7:", ":", "bad", "a:b", "-1:0"] {
            assert_eq!(JobUser::find(nobody, passwd), None, "{nobody}");
        }
    }
}
