//! A job that says when it ran: appends the time of its first and of its last instruction to the file that it is given.

use std::{
    error::Error,
    fs::File,
    io::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

fn main() -> Result<(), Box<dyn Error>> {
    let began = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let path = std::env::args_os().nth(1).ok_or("which file?")?;
    let mut file = File::options().append(true).create(true).open(path)?;
    let ended = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    // One write, so that lines of several processes do not mix.
    Ok(file.write_all(format!("{began} {ended}\n").as_bytes())?)
}
