//! The directories of runs: made, deleted, and used again.
//!
//! A new inode is what costs most of a short job on many file systems. So the directory of a run that has touched neither of the job's
//! own directories waits for another run, without anything of the first in it.

use crate::{
    files,
    journal::{Entry, Journal},
    layout::{Layout, RunDir},
};
use pool_api::RunId;
use pool_protocol::OutputStream;
use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
};

/// How the name of a directory begins that waits for a run.
const SPARE: &str = ".spare-";
/// How the name of a forgotten run's directory begins, until its content is deleted.
const TRASH: &str = ".trash-";
/// Most directories that wait.
const MOST_SPARE: usize = 64;

/// What tells whether one of the job's directories was touched.
#[derive(PartialEq, Eq, Debug)]
struct Condition {
    /// When it was last changed, its attributes included, in seconds and nanoseconds. The system's clock for files is coarse: some
    /// milliseconds on many.
    changed: (i64, i64),
    access: Access,
}

/// Who may do what with a directory: its mode, user and group.
type Access = (u32, u32, u32);

/// The directory of a run that this daemon has made.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    own: Access,
    work: Condition,
    temporary: Condition,
}

/// All that this daemon has made and that wait.
#[derive(Debug, Default)]
pub(super) struct Places {
    spare: Vec<Place>,
    last: u64,
}

impl Places {
    /// Whether what has this name was left by an earlier daemon, to be deleted. Nothing gets that name from now on: its deletion would
    /// go on in what has it then.
    pub(super) fn is_leftover(&mut self, name: &str) -> bool {
        let is_leftover = name.starts_with(SPARE) || name.starts_with(TRASH);
        if is_leftover && let Some(number) = name.rsplit('-').next().and_then(|number| number.parse().ok()) {
            self.last = self.last.max(number);
        }
        is_leftover
    }

    /// Makes the directory of a run, with the first entry of its journal: there as a whole, or not at all. Returns how far the
    /// journal goes.
    pub(super) fn make(&mut self, layout: &Layout, run: &RunId, entry: &Entry) -> io::Result<(Place, u64)> {
        // Jobs of another user are given their directories: each new ones.
        let is_shared = layout.job_user().exists();
        let place = match if is_shared { None } else { self.spare.pop() } {
            Some(place) => place,
            None => self.make_place(layout, if is_shared { 0o711 } else { 0o700 })?,
        };
        let dir = spare(layout, place.number);
        let filled = Journal::create(&dir.journal(), entry)
            .and_then(|end| fs::rename(dir.path(), layout.run(run).path()).map(|()| end));
        match filled {
            Ok(end) => Ok((place, end)),
            Err(error) => {
                self.delete(layout, &dir);
                Err(error)
            }
        }
    }

    fn make_place(&mut self, layout: &Layout, mode: u32) -> io::Result<Place> {
        self.last += 1;
        let dir = spare(layout, self.last);
        let make = || {
            files::make_dir(dir.path(), mode)?;
            files::make_dir(&dir.work(), 0o700)?;
            files::make_dir(&dir.temporary(), 0o700)?;
            Ok(Place {
                number: self.last,
                own: condition(dir.path())?.access,
                work: condition(&dir.work())?,
                temporary: condition(&dir.temporary())?,
            })
        };
        let made = make();
        if made.is_err() {
            self.delete(layout, &dir);
        }
        made
    }

    /// Deletes what there is of a run. What takes long, because the job has left much, is done later.
    pub(super) fn remove(&mut self, layout: &Layout, run: &RunId, place: Option<Place>) {
        let dir = layout.run(run);
        if let Some(place) = place
            && self.spare.len() < MOST_SPARE
            && is_untouched(&dir, &place).unwrap_or_default()
        {
            let kept = spare(layout, place.number);
            if fs::rename(dir.path(), kept.path()).is_ok() {
                match empty(&kept) {
                    Ok(()) => self.spare.push(place),
                    Err(_) => self.delete(layout, &kept),
                }
                return;
            }
        }
        self.delete(layout, &dir);
    }

    fn delete(&mut self, layout: &Layout, dir: &RunDir) {
        if delete_small(dir).is_ok() {
            return;
        }
        self.last += 1;
        let trash = layout.runs().join(format!("{TRASH}{}-{}", std::process::id(), self.last));
        match fs::rename(dir.path(), &trash) {
            Ok(()) => delete_later(trash),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => log!("{} cannot be deleted: {error}", dir.path().display()),
        }
    }
}

fn spare(layout: &Layout, number: u64) -> RunDir {
    layout.run_named(&format!("{SPARE}{number}"))
}

/// Of the directory itself, and not of one that a link leads to.
fn condition(path: &Path) -> io::Result<Condition> {
    let found = fs::symlink_metadata(path)?;
    let access = (found.mode(), found.uid(), found.gid());
    Ok(Condition { changed: (found.ctime(), found.ctime_nsec()), access })
}

/// Whether nothing is in the job's directories, nothing was done to them, and the run's own is as open or closed as it was made.
fn is_untouched(dir: &RunDir, place: &Place) -> io::Result<bool> {
    for (path, made) in [(dir.work(), &place.work), (dir.temporary(), &place.temporary)] {
        if condition(&path)? != *made || fs::read_dir(path)?.next().is_some() {
            return Ok(false);
        }
    }
    Ok(condition(dir.path())?.access == place.own)
}

/// Takes everything of a run away but the directories, and the file of its journal without what it held.
///
/// # Errors
/// It cannot be taken away, or there is more: the job has put something beside its own directories.
fn empty(dir: &RunDir) -> io::Result<()> {
    const LEFT: usize = 3;
    fs::File::options().write(true).truncate(true).open(dir.journal())?;
    for file in [dir.control(), dir.output(OutputStream::Stdout), dir.output(OutputStream::Stderr)] {
        files::remove(&file)?;
    }
    if fs::read_dir(dir.path())?.count() == LEFT {
        Ok(())
    } else {
        Err(io::ErrorKind::DirectoryNotEmpty.into())
    }
}

/// Deletes the directory of a run that has left nothing in its own directories. Without its journal it is not one of a run.
///
/// # Errors
/// There is more in it, or it cannot be deleted.
fn delete_small(dir: &RunDir) -> io::Result<()> {
    let (stdout, stderr) = (dir.output(OutputStream::Stdout), dir.output(OutputStream::Stderr));
    for file in [dir.journal(), dir.control(), stdout, stderr] {
        files::remove(&file)?;
    }
    fs::remove_dir(dir.work())?;
    fs::remove_dir(dir.temporary())?;
    fs::remove_dir(dir.path())
}

/// Deletes a directory in a thread of its own. What remains is tried again by the next daemon.
pub(super) fn delete_later(dir: PathBuf) {
    let spawned = thread::Builder::new().name("deleting".into()).spawn(move || {
        if let Err(error) = fs::remove_dir_all(&dir) {
            log!("{} cannot be deleted: {error}", dir.display());
        }
    });
    if let Err(error) = spawned {
        log!("no thread to delete with: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Content, RunRecord};
    use pool_api::{InstanceSetId, JobId, JobSpec};
    use std::os::unix::fs::PermissionsExt as _;

    fn layout() -> (tempfile::TempDir, Layout) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        layout.create().unwrap();
        (dir, layout)
    }

    fn entry(name: &str) -> (RunId, Entry) {
        let run = RunId::new(JobId::new(name).unwrap(), 1);
        let spec = JobSpec::new(["true", name]);
        let instance_set = InstanceSetId::new("set").unwrap();
        (run.clone(), Entry::Accepted(RunRecord { instance_set, run, spec, accepted_ms: 7 }))
    }

    /// Makes one, lets something be done in it, and removes it. Returns which inode it had.
    fn cycle(places: &mut Places, layout: &Layout, name: &str, act: impl FnOnce(&RunDir)) -> u64 {
        let (run, entry) = entry(name);
        let (place, end) = places.make(layout, &run, &entry).unwrap();
        let dir = layout.run(&run);
        let content = Content::of(&dir.journal(), 0).unwrap().unwrap();
        assert!(matches!(&content.entries[..], [Entry::Accepted(record)] if record.run == run));
        assert_eq!(content.end, end);
        assert_eq!(
            fs::read_dir(dir.work()).unwrap().count() + fs::read_dir(dir.temporary()).unwrap().count(),
            0
        );
        let inode = fs::metadata(dir.work()).unwrap().ino();
        act(&dir);
        places.remove(layout, &run, Some(place));
        assert!(!dir.path().exists());
        inode
    }

    #[test]
    fn a_directory_that_nobody_has_touched_is_used_again_with_nothing_in_it() {
        let (_dir, layout) = layout();
        let mut places = Places::default();
        let first = cycle(&mut places, &layout, "a-long-name-with-a-secret", |dir| {
            fs::write(dir.output(OutputStream::Stdout), "text").unwrap();
            fs::write(dir.control(), "").unwrap();
        });
        let spare = spare(&layout, 1);
        assert_eq!(fs::read(spare.journal()).unwrap(), b"");
        assert_eq!(fs::read_dir(spare.path()).unwrap().count(), 3);
        assert_eq!(cycle(&mut places, &layout, "b", |_| ()), first);
    }

    #[test]
    fn one_that_was_touched_is_not() {
        let (_dir, layout) = layout();
        let mut places = Places::default();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let touch: [&dyn Fn(&RunDir); 6] = [
            &|dir| fs::write(dir.work().join("x"), "").unwrap(),
            &|dir| fs::create_dir(dir.temporary().join("x")).unwrap(),
            &|dir| mode(&dir.work(), 0o755),
            &|dir| fs::remove_dir(dir.work()).unwrap(),
            // The run's own directory: something beside what belongs there, and one that nothing more can be put into.
            &|dir| fs::write(dir.path().join("x"), "").unwrap(),
            &|dir| mode(dir.path(), 0o500),
        ];
        for act in touch {
            cycle(&mut places, &layout, "a", act);
            assert!(places.spare.is_empty());
        }
        let (run, entry) = entry("b");
        let (place, _) = places.make(&layout, &run, &entry).unwrap();
        // The control.
        places.remove(&layout, &run, Some(place));
        assert_eq!(places.spare.len(), 1);
    }

    #[test]
    fn what_was_done_at_once_by_a_coarse_clock_is_noticed_too() {
        let (_dir, layout) = layout();
        let mut places = Places::default();
        let (run, entry) = entry("a");
        let (place, _) = places.make(&layout, &run, &entry).unwrap();
        let dir = layout.run(&run);
        fs::set_permissions(dir.work(), fs::Permissions::from_mode(0o555)).unwrap();
        let work = Condition { changed: condition(&dir.work()).unwrap().changed, ..place.work };
        assert!(!is_untouched(&dir, &Place { work, ..place }).unwrap());
    }

    #[test]
    fn a_job_of_another_user_gets_a_new_directory_and_the_spare_ones_stay_known() {
        let (_dir, layout) = layout();
        let mut places = Places::default();
        let first = cycle(&mut places, &layout, "a", |_| ());
        fs::write(layout.job_user(), "1:1\n").unwrap();
        let other = cycle(&mut places, &layout, "b", |dir| fs::write(dir.work().join("x"), "").unwrap());
        assert_ne!(first, other);
        fs::remove_file(layout.job_user()).unwrap();
        assert_eq!(cycle(&mut places, &layout, "c", |_| ()), first);
    }

    #[test]
    fn where_a_directory_is_in_the_way_nothing_is_made_and_nothing_is_left() {
        let (_dir, layout) = layout();
        let mut places = Places::default();
        let (run, entry) = entry("a");
        fs::create_dir_all(layout.run(&run).path().join("something")).unwrap();
        places.make(&layout, &run, &entry).unwrap_err();
        assert_eq!(fs::read_dir(layout.runs()).unwrap().count(), 1);
    }
}
