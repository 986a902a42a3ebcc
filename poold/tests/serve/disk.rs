//! The disk of the state directory is full: nothing is lost, and with room again all goes on.

use super::support::{Place, brisk, processes_of};
use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A small disk of its own. Dropping it gives it back.
struct Disk {
    /// Where it is, with room beside it for what is not to be on it.
    dir: TempDir,
}

impl Disk {
    /// None where this user may not mount one: who calls says so.
    fn mount(megabytes: u32) -> Option<Self> {
        let disk = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(disk.path()).unwrap();
        let size = format!("size={megabytes}m,mode=700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(disk.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(disk),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr).into_owned();
                eprintln!("NOT TESTED, as no file system can be mounted here (be root): {why}");
                None
            }
            Err(error) => {
                eprintln!("NOT TESTED, as there is no mount(8): {error}");
                None
            }
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Leaves no room for a single byte.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.ballast()).unwrap();
        for piece in [vec![0; 1 << 20], vec![0; 1 << 12], vec![0; 1]] {
            loop {
                match file.write(&piece) {
                    Ok(written) if written > 0 => {}
                    Ok(_) => break,
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let begun = Instant::now();
        // Until the last process that was killed there is gone.
        while !Command::new("umount").arg(self.path()).status().is_ok_and(|status| status.success()) {
            if begun.elapsed() > Duration::from_secs(10) {
                drop(Command::new("umount").arg("-l").arg(self.path()).status());
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A place on a small disk: first ends what runs there, then gives the disk back.
struct OnDisk {
    place: Place,
    disk: Disk,
}

impl OnDisk {
    /// All but the workers' own files, which are on other machines elsewhere, is on the small disk.
    fn without_workers(megabytes: u32) -> Option<Self> {
        let disk = Disk::mount(megabytes)?;
        let place = Place::new(&brisk()).with_state(&disk.path());
        let config = place.config();
        // Makes the directory a state directory.
        place.says(&["destroy-all", "--yes", "--config", config.to_str().unwrap()]);
        let (workers, elsewhere) = (disk.path().join("loopback"), disk.dir.path().join("workers"));
        fs::remove_dir_all(&workers).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, &workers).unwrap();
        Some(Self { place, disk })
    }

    /// Submits jobs of about 100 kB until one is refused. Returns what it said, and the ids of those that were not.
    #[track_caller]
    fn submit_until_refused(&self) -> (String, Vec<String>) {
        let padding = "x".repeat(100_000);
        let mut ids = Vec::new();
        for _ in 0..100 {
            let output = self.place.run(&["submit", "--", "true", &padding]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            match output.status.code() {
                Some(0) => ids.push(String::from_utf8(output.stdout).unwrap().trim().to_owned()),
                Some(1) => {
                    assert!(output.stdout.is_empty(), "an id was printed of what was refused");
                    return (said, ids);
                }
                code => panic!("exit code {code:?}: {said}"),
            }
        }
        panic!("ten megabytes fit on a full disk");
    }

    fn ends_with_nothing_left(self) {
        let Self { place, disk } = self;
        place.ends_with_nothing_left();
        assert_eq!(processes_of(disk.dir.path()), Vec::<String>::new());
    }

    fn problems(place: &Place) -> String {
        place.json(&["status"])["problems"].to_string()
    }
}

/// A job that waits for a file and then prints so many lines.
fn waits_then_prints(go: &Path, lines: u32) -> String {
    format!("echo begun; while [ ! -e {} ]; do sleep 0.05; done; seq 1 {lines}", go.display())
}

fn printed(lines: u32) -> String {
    use std::fmt::Write as _;
    let mut text = "begun\n".to_owned();
    for line in 1..=lines {
        writeln!(text, "{line}").unwrap();
    }
    text
}

#[test]
fn a_full_disk_refuses_submits_and_harms_no_job_and_with_room_all_goes_on() {
    const LINES: u32 = 200_000;
    let Some(mut on) = OnDisk::without_workers(48) else { return };
    on.place.serve();
    let go = on.place.path().join("go");
    let script = waits_then_prints(&go, LINES);
    // One ends while there is no room, one after that; one waits all the while.
    let ends = on.place.submit(&["--cpus", "2"], &["sh", "-c", &script]);
    let later = on.place.path().join("later");
    let goes_on = on.place.submit(&["--cpus", "2"], &["sh", "-c", &waits_then_prints(&later, 10)]);
    let waits = on.place.submit(&["--priority", "0"], &["true"]);
    for id in [&ends, &goes_on] {
        on.place.until_state(id, "running");
        on.place.until("its first output has come", |place| place.says(&["logs", id]) == "begun\n");
    }

    on.disk.fill();
    let (said, accepted) = on.submit_until_refused();
    assert!(said.contains("no room") && said.contains(on.disk.path().to_str().unwrap()), "{said}");
    assert!(OnDisk::problems(&on.place).contains("no room"), "{}", OnDisk::problems(&on.place));
    assert!(on.place.says(&["status"]).contains("no room"));
    let explained = on.place.json(&["explain", &waits]);
    assert_eq!(explained["reason"], "queue_not_writable", "{explained:#}");
    let text = on.place.says(&["explain", &waits]);
    assert!(text.contains("no room") && text.contains("make room"), "{text}");

    fs::write(&go, "").unwrap();
    on.place.until("its output does not fit", |place| place.log().contains("output could not be stored"));
    for id in [&ends, &goes_on] {
        assert_eq!(on.place.job(id)["state"], "running", "no end is told before it is stored");
    }

    on.disk.make_room();
    for (id, lines) in [(&ends, LINES), (&goes_on, 10)] {
        fs::write(&later, "").unwrap();
        let job = on.place.until_state(id, "complete");
        let expected = printed(lines);
        assert!(on.place.says(&["logs", id]) == expected, "its output is whole");
        assert_eq!(
            (&job["exit_code"], &job["runs"], &job["output"], &job["stdout_size"]),
            (&0.into(), &1.into(), &"complete".into(), &expected.len().into()),
            "{job:#}"
        );
    }
    for id in &accepted {
        on.place.until_state(id, "complete");
    }
    on.place.until("the problem is over", |place| OnDisk::problems(place) == "[]");
    assert_ne!(on.place.json(&["explain", &waits])["reason"], "queue_not_writable");
    let after = on.place.run(&["submit", "--wait", "--", "true", &"x".repeat(100_000)]);
    assert_eq!(after.status.code(), Some(0), "it goes on without a restart");
    on.place.says(&["kill", &waits]);
    on.ends_with_nothing_left();
}

#[test]
fn when_there_is_room_again_status_says_so_although_nobody_asks_for_anything() {
    let Some(mut on) = OnDisk::without_workers(16) else { return };
    on.place.serve();
    on.disk.fill();
    on.submit_until_refused();
    assert!(OnDisk::problems(&on.place).contains("no room"));
    on.disk.make_room();
    on.place.until("the problem is over", |place| OnDisk::problems(place) == "[]");
    on.ends_with_nothing_left();
}

#[test]
fn a_start_on_a_full_disk_says_so_and_the_next_one_takes_all_up() {
    let Some(mut on) = OnDisk::without_workers(16) else { return };
    on.place.serve();
    let go = on.place.path().join("go");
    let job = on.place.submit(&[], &["sh", "-c", &waits_then_prints(&go, 10)]);
    on.place.until_state(&job, "running");
    on.place.kill();
    on.disk.fill();
    let config = on.place.config();
    let said = on.place.fails(2, &["serve", "--config", config.to_str().unwrap()]);
    assert!(said.contains(on.disk.path().to_str().unwrap()) && said.contains("No space left"), "{said}");
    fs::write(&go, "").unwrap();
    on.disk.make_room();
    on.place.serve();
    let done = on.place.until_state(&job, "complete");
    assert_eq!(done["runs"], 1, "{done:#}");
    assert_eq!(on.place.says(&["logs", &job]), printed(10));
    on.ends_with_nothing_left();
}

#[test]
fn a_first_start_on_a_full_disk_leaves_a_directory_that_can_be_used_with_room() {
    let Some(disk) = Disk::mount(1) else { return };
    let place = Place::new(&brisk()).with_state(&disk.path().join("state"));
    let mut on = OnDisk { place, disk };
    on.disk.fill();
    let config = on.place.config();
    let said = on.place.fails(2, &["serve", "--config", config.to_str().unwrap()]);
    assert!(said.contains("No space left"), "{said}");
    on.disk.make_room();
    on.place.serve();
    on.ends_with_nothing_left();
}

#[test]
fn on_the_loopback_workers_share_the_full_disk_and_jobs_that_print_nothing_are_not_harmed() {
    // Room for one worker's copy of the program.
    let Some(disk) = Disk::mount(400) else { return };
    let place = Place::new(&brisk()).with_state(&disk.path());
    let mut on = OnDisk { place, disk };
    on.place.serve();
    let go = on.place.path().join("go");
    let wait = format!("while [ ! -e {} ]; do sleep 0.05; done; exit 7", go.display());
    let silent = on.place.submit(&["--cpus", "1"], &["sh", "-c", &wait]);
    let process = on.place.path().join("process");
    let print = format!("echo $$ > {}; while true; do seq 1 1000; sleep 0.05; done", process.display());
    let loud = on.place.submit(&["--cpus", "1"], &["sh", "-c", &print]);
    on.place.until_state(&silent, "running");
    on.place.until_state(&loud, "running");
    on.place.until("the one that prints has said who it is", |_| {
        fs::read_to_string(&process).is_ok_and(|text| text.ends_with('\n'))
    });
    let process = Path::new("/proc").join(fs::read_to_string(&process).unwrap().trim());
    on.disk.fill();
    fs::write(&go, "").unwrap();
    on.submit_until_refused();
    // Else there might be room again before it prints the next time.
    on.place.until("the one that prints is ended", |_| !process.exists());
    on.disk.make_room();
    let job = on.place.until_state(&silent, "complete");
    assert_eq!((&job["exit_code"], &job["runs"]), (&7.into(), &1.into()), "{job:#}");
    let job = on.place.until_state(&loud, "cancelled");
    assert!(job["reason"].as_str().unwrap().contains("No space left"), "{job:#}");
    on.ends_with_nothing_left();
}
