//! `poold top` on a real pseudo-terminal.

use super::support::{PATIENCE, Place, brisk};
use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcgetattr, tcsetwinsize},
};
use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::Child,
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// A terminal of 80 columns and 24 lines, and all that was ever written to it.
struct Terminal {
    /// What people type goes in here.
    keys: File,
    /// The program's side.
    side: File,
    written: Arc<(Mutex<String>, Condvar)>,
}

impl Terminal {
    fn new() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let side = File::options().read(true).write(true).open(name).unwrap();
        tcsetwinsize(&side, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let keys = File::from(master);
        let written = Arc::<(Mutex<String>, Condvar)>::default();
        let (mut screen, to) = (keys.try_clone().unwrap(), Arc::clone(&written));
        // It ends when the last process has closed the other side.
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut piece) {
                to.0.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
                to.1.notify_all();
            }
        });
        Self { keys, side, written }
    }

    fn start(&self, place: &Place) -> Child {
        let mut command = place.command(&["top"]);
        let side = || self.side.try_clone().unwrap();
        command.env("TERM", "xterm").stdin(side()).stdout(side()).stderr(side()).spawn().unwrap()
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until this was written.
    #[track_caller]
    fn until(&self, text: &str) {
        let written = self.written.0.lock().unwrap();
        let absent = |written: &mut String| !written.contains(text);
        let (written, timed_out) = self.written.1.wait_timeout_while(written, PATIENCE, absent).unwrap();
        assert!(!timed_out.timed_out(), "{text:?} did not come: {written:?}");
    }

    /// How lines are edited, signals made and output changed.
    fn modes(&self) -> String {
        let modes = tcgetattr(&self.side).unwrap();
        format!("{:?}", (modes.input_modes, modes.output_modes, modes.control_modes, modes.local_modes))
    }
}

/// The other screen, on and off, and the cursor.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
const SHOW_CURSOR: &str = "\x1b[?25h";

#[test]
fn top_draws_takes_keys_and_gives_the_terminal_back() {
    let place = Place::serving(&brisk());
    for by_signal in [false, true] {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut top = terminal.start(&place);
        terminal.until(ENTER);
        terminal.until("Workers 0");
        assert_ne!(terminal.modes(), before, "keys come one by one");
        terminal.types("?");
        terminal.until("Ctrl-L");
        if by_signal {
            kill_process(Pid::from_child(&top), Signal::TERM).unwrap();
        } else {
            // Back, and out.
            terminal.types("qq");
        }
        let code = top.wait().unwrap().code();
        assert_eq!(code, Some(if by_signal { 130 } else { 0 }));
        terminal.until(LEAVE);
        terminal.until(SHOW_CURSOR);
        assert_eq!(terminal.modes(), before);
    }
}

#[test]
fn without_a_terminal_it_names_what_there_is_for_programs() {
    let place = Place::new(&brisk());
    let error = place.fails(2, &["top"]);
    assert!(error.contains("poold status --json"), "{error}");
}
