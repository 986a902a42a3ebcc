//! Who has changed what, and why: one line of JSON for each request that changes something.

use super::{answer::Refusal, caller::Caller, carrier::Peer};
use crate::{api::ServiceError, job::Moment};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

const FILE: &str = "audit.jsonl";
/// A file that is larger is put aside, as `audit.jsonl.1`.
const MAX_FILE: u64 = 64 * 1024 * 1024;
/// So many are kept aside. The oldest is deleted.
const KEPT: u32 = 8;

/// The log of a state directory.
#[derive(Debug)]
pub(crate) struct AuditLog {
    path: PathBuf,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
    /// The last line may be there in part.
    is_cut: bool,
}

impl AuditLog {
    /// Goes on with the file that there is.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(crate) fn open(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join(FILE);
        let open = Mutex::new(open(&path)?);
        Ok(Self { path, open })
    }

    fn append(&self, line: &Line<'_>) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let mut log = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if log.size > 0 && log.size + text.len() as u64 > MAX_FILE {
            // Not there: it was put aside before, and could not be made anew.
            if self.path.exists() {
                self.put_aside()?;
            }
            *log = open(&self.path)?;
        }
        if std::mem::take(&mut log.is_cut) {
            text.insert(0, b'\n');
        }
        let written = log.file.write_all(&text);
        log.is_cut = written.is_err();
        log.size += text.len() as u64;
        written
    }

    fn put_aside(&self) -> io::Result<()> {
        let aside = |number: u32| PathBuf::from(format!("{}.{number}", self.path.display()));
        for number in (1..KEPT).rev() {
            match fs::rename(aside(number), aside(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, aside(1))
    }
}

fn open(path: &Path) -> io::Result<Open> {
    let file = File::options().create(true).append(true).mode(0o600).open(path)?;
    let size = file.metadata()?.len();
    Ok(Open { file, size, is_cut: false })
}

/// What one request came to.
#[derive(Serialize)]
struct Line<'a> {
    at: Moment,
    /// The name of the token, or `socket`.
    who: &'a str,
    /// Where it came from: an address, or the user of the process.
    from: String,
    request: String,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

/// What a handler has to say of a request, for the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Noted(Arc<Mutex<Notes>>);

#[derive(Clone, Debug, Default)]
struct Notes {
    who: Option<String>,
    what: Option<String>,
    why: Option<String>,
}

impl Noted {
    fn change(&self, change: impl FnOnce(&mut Notes)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Who it turned out to be.
    pub(super) fn who(&self, who: &str) {
        self.change(|notes| notes.who = Some(who.to_owned()));
    }

    /// What the address does not say.
    pub(super) fn what(&self, what: String) {
        self.change(|notes| notes.what = Some(what));
    }

    /// The reason that was given.
    pub(super) fn why(&self, why: &str) {
        self.change(|notes| notes.why = Some(why.to_owned()));
    }
}

/// Writes what known callers change, whatever came of it. What nobody knows sends is no change, and could fill the disk.
pub(super) async fn write(State(log): State<Arc<AuditLog>>, mut request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let noted = Noted::default();
    request.extensions_mut().insert(noted.clone());
    let caller = request.extensions().get::<Caller>().cloned();
    let peer = request.extensions().get::<Peer>().copied();
    let asked = format!("{} {}", request.method(), request.uri().path());
    // Whoever hangs up does not undo what was asked for: it is seen to its end, and written down.
    let seen_to = async move {
        let response = next.run(request).await;
        let notes = noted.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Who has just logged in is another than whose log-in there was before.
        let who = notes.who.as_deref().or(caller.as_ref().map(|caller| &*caller.name));
        let Some(who) = who else { return response };
        let from = match peer {
            Some(Peer::Network(address)) => address.to_string(),
            Some(Peer::Socket { user: Some(user) }) => format!("user {user}"),
            Some(Peer::Socket { user: None }) | None => "unknown".to_owned(),
        };
        let line = Line {
            at: Moment::now(),
            who,
            from,
            request: asked,
            status: response.status().as_u16(),
            what: notes.what.as_deref(),
            why: notes.why.as_deref(),
        };
        if let Err(error) = log.append(&line) {
            tracing::error!(%error, who, request = line.request, "the audit log could not be written");
        }
        response
    };
    match tokio::spawn(seen_to).await {
        Ok(response) => response,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Refusal::from(ServiceError::stopping()).into_response(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn line(request: String) -> Line<'static> {
        let from = "user 0".to_owned();
        Line {
            at: Moment(0),
            who: "a",
            from,
            request,
            status: 200,
            what: None,
            why: Some("two\nlines \u{1b}"),
        }
    }

    #[test]
    fn one_request_is_one_line_of_ascii_json_and_full_files_are_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let log = AuditLog::open(dir.path()).unwrap();
        log.append(&line("POST /a".to_owned())).unwrap();
        let path = dir.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(!text.trim_end().chars().any(char::is_control), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["why"], "two\nlines \u{1b}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // As if much had been written.
        for full in 0..10 {
            log.open.lock().unwrap().size = MAX_FILE;
            log.append(&line(format!("POST /{full}"))).unwrap();
        }
        let newest = fs::read_to_string(&path).unwrap();
        assert!(newest.contains("/9") && newest.lines().count() == 1, "{newest}");
        let aside = |number: u32| fs::read_to_string(dir.path().join(format!("{FILE}.{number}")));
        assert!(aside(1).unwrap().contains("/8") && aside(KEPT).unwrap().contains("/1"));
        assert!(aside(KEPT + 1).is_err());
        // There was no room for a new one, say: nothing more is put aside, and it is tried again.
        fs::remove_file(&path).unwrap();
        log.open.lock().unwrap().size = MAX_FILE;
        log.append(&line("POST /again".to_owned())).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("/again") && aside(1).unwrap().contains("/8"));
        drop(log);
        AuditLog::open(dir.path()).unwrap().append(&line("POST /b".to_owned())).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2, "a restart goes on with it");
    }
}
