//! The format of the queue's file, and how a file of an older format becomes one of this.

/// Tells our files from those of other programs that use SQLite: "pool".
pub(super) const APPLICATION_ID: i32 = 0x706f_6f6c;

/// Step `n` (counted from 0) makes format `n + 1` of format `n`. Steps that were released are never changed.
pub(super) const MIGRATIONS: &[&str] = &[FORMAT_1];

/// The JSON is the truth; the columns beside it are copies, for the indexes.
///
/// * What never changes of a job, and may be large, is apart from what does: an update writes a whole row.
/// * The indexes end in the number, so that a page of any filter is read off in its order.
const FORMAT_1: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    number INTEGER PRIMARY KEY CHECK (number > 0),
    state TEXT NOT NULL,
    name TEXT,
    grp TEXT,
    labels TEXT,                           -- a JSON object; null where there is none
    submitted INTEGER NOT NULL,            -- milliseconds since 1970
    ended INTEGER,                         -- the same; null while the job is not final
    record TEXT NOT NULL                   -- JSON
) STRICT;
CREATE INDEX jobs_by_state ON jobs (state, number);
CREATE INDEX jobs_by_group ON jobs (grp, state, number) WHERE grp IS NOT NULL;
CREATE INDEX jobs_by_name ON jobs (name, state, number, grp) WHERE name IS NOT NULL;
CREATE INDEX jobs_by_end ON jobs (ended, number) WHERE ended IS NOT NULL;

CREATE TABLE requests (
    number INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    request TEXT NOT NULL                  -- JSON
) STRICT;

CREATE TABLE history (
    number INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
    line INTEGER NOT NULL,                 -- counted from 1
    at INTEGER NOT NULL,                   -- milliseconds since 1970
    state TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (number, line)
) STRICT, WITHOUT ROWID;

CREATE TABLE submissions (
    request_id TEXT PRIMARY KEY,
    first INTEGER NOT NULL UNIQUE,
    count INTEGER NOT NULL CHECK (count > 0)
) STRICT, WITHOUT ROWID;
";

/// Keys of the table `meta`.
pub(super) mod meta {
    /// Text.
    pub(in crate::queue) const TAG: &str = "tag";
    /// Integer.
    pub(in crate::queue) const NEXT_NUMBER: &str = "next_number";
    /// Text; absent while none was set.
    pub(in crate::queue) const CLOUD: &str = "cloud";
}
