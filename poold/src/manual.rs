//! What shells and `man` know of the command line: made from it, so that it is always true.

use crate::{
    cli::{BAD_INPUT, FAILED, OK, fail},
    say::say,
};
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// `poold completions`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Printed to standard output: `poold completions bash > ~/.local/share/bash-completion/completions/poold`, or \
`source <(poold completions bash)` to try it.")]
pub(crate) struct CompletionsArguments {
    /// Which shell
    shell: Shell,
}

/// `poold man`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Without DIR it prints the first page: `poold man | man -l -`. With one it writes a page for each command there: \
`poold man ~/.local/share/man/man1`, then `man poold-submit`.")]
pub(crate) struct ManArguments {
    /// Where a page for each command is written; it is made if it is not there
    dir: Option<PathBuf>,
}

/// Without what is not for people: the crates that write completions would offer it.
fn for_people(command: &Command) -> Command {
    let mut shown = Command::new("poold").version(env!("CARGO_PKG_VERSION"));
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(help) = command.get_after_help() {
        shown = shown.after_help(help.clone());
    }
    shown.subcommands(command.get_subcommands().filter(|command| !command.is_hide_set()).cloned())
}

impl CompletionsArguments {
    /// Prints the completions of this command line.
    pub(crate) fn run(&self, command: &Command) -> ExitCode {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut for_people(command), command.get_name(), &mut text);
        print(&text)
    }
}

impl ManArguments {
    /// Prints or writes the pages of this command line.
    pub(crate) fn run(&self, command: &Command) -> ExitCode {
        let mut command = for_people(command).disable_help_subcommand(true);
        command.build();
        let Some(dir) = &self.dir else {
            return match page(&Man::new(command)) {
                Ok(text) => print(text.as_bytes()),
                Err(error) => fail(FAILED, &error),
            };
        };
        match fs::create_dir_all(dir).and_then(|()| write_pages(command, dir)) {
            Ok(()) => ExitCode::from(OK),
            Err(error) => {
                say(format!("poold: {}: the pages cannot be written: {error}", dir.display()));
                ExitCode::from(BAD_INPUT)
            }
        }
    }
}

/// Of the command and all below it.
fn write_pages(command: Command, dir: &Path) -> io::Result<()> {
    for below in command.get_subcommands() {
        write_pages(below.clone(), dir)?;
    }
    let man = Man::new(command);
    fs::write(dir.join(man.get_filename()), page(&man)?)
}

/// In ASCII, with escapes for the rest: what formatters take other bytes for depends on how they are called.
fn page(man: &Man) -> io::Result<String> {
    let mut text = Vec::new();
    man.render(&mut text)?;
    let mut ascii = String::with_capacity(text.len());
    for c in String::from_utf8_lossy(&text).chars() {
        if c.is_ascii() { ascii.push(c) } else { ascii.push_str(&format!("\\[u{:04X}]", u32::from(c))) }
    }
    Ok(ascii)
}

fn print(text: &[u8]) -> ExitCode {
    match io::stdout().write_all(text) {
        Ok(()) => ExitCode::from(OK),
        // Whoever read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(OK),
        Err(error) => fail(FAILED, &error),
    }
}
