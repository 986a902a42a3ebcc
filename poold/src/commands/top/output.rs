//! The end of a job's output, as it comes.

use pool_core::{JobId, OutputStream};
use std::collections::VecDeque;

/// Lines that are kept.
const MAX_LINES: usize = 5000;
/// A line that is longer goes on in the next, in bytes.
const MAX_LINE: usize = 4096;

/// From which byte on each stream is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Begins {
    pub(super) stdout: u64,
    pub(super) stderr: u64,
}

impl Begins {
    pub(super) fn of(self, stream: OutputStream) -> u64 {
        match stream {
            OutputStream::Stdout => self.stdout,
            OutputStream::Stderr => self.stderr,
        }
    }
}

#[derive(Debug)]
pub(super) struct Output {
    pub(super) job: JobId,
    pub(super) stream: OutputStream,
    /// Where what is shown of either stream begins, in bytes.
    pub(super) from: Begins,
    /// The last one may go on.
    lines: VecDeque<String>,
    /// How many lines from the end the view is; 0: it moves along.
    pub(super) back: usize,
    /// How it ended.
    pub(super) remark: Option<String>,
}

impl Output {
    pub(super) fn new(job: JobId, stream: OutputStream, from: Begins) -> Self {
        Self { job, stream, from, lines: VecDeque::from([String::new()]), back: 0, remark: None }
    }

    /// Takes more, harmless already.
    pub(super) fn push(&mut self, text: &str) {
        let before = self.lines.len();
        for (at, part) in text.split('\n').enumerate() {
            if at > 0 {
                self.lines.push_back(String::new());
            }
            let mut rest = part;
            while let Some(line) = self.lines.back_mut() {
                let room = MAX_LINE.saturating_sub(line.len());
                let end = rest.floor_char_boundary(room.min(rest.len()));
                line.push_str(&rest[..end]);
                rest = &rest[end..];
                if rest.is_empty() {
                    break;
                }
                self.lines.push_back(String::new());
            }
        }
        // Who has scrolled back goes on to see the same lines.
        if self.back > 0 {
            self.back += self.lines.len() - before;
        }
        let too_many = self.lines.len().saturating_sub(MAX_LINES);
        self.lines.drain(..too_many);
        self.back = self.back.min(self.lines.len());
    }

    /// How many lines there are; one that has only begun is none.
    pub(super) fn len(&self) -> usize {
        self.lines.len() - usize::from(self.lines.back().is_some_and(String::is_empty))
    }

    /// The lines of a window of this height.
    pub(super) fn window(&self, height: usize) -> impl Iterator<Item = &str> {
        let end = self.len().saturating_sub(self.back).max(height.min(self.len()));
        self.lines.iter().skip(end.saturating_sub(height)).take(height.min(end)).map(String::as_str)
    }

    /// Moves by so many lines; up is back.
    pub(super) fn scroll(&mut self, up: isize, height: usize) {
        let most = self.len().saturating_sub(height);
        self.back = self.back.saturating_add_signed(up).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(output: &Output, height: usize) -> Vec<String> {
        output.window(height).map(str::to_owned).collect()
    }

    #[test]
    fn the_end_is_shown_and_who_scrolls_back_stays_there() {
        let mut output = Output::new(JobId::new("a-1").unwrap(), OutputStream::Stdout, Begins::default());
        assert_eq!(window(&output, 2), Vec::<String>::new());
        output.push("a\nb");
        output.push("c\nd\n");
        assert_eq!((window(&output, 2), output.len()), (vec!["bc".into(), "d".into()], 3));
        output.scroll(1, 2);
        assert_eq!(window(&output, 2), ["a", "bc"]);
        output.push("e\nf\n");
        assert_eq!(window(&output, 2), ["a", "bc"]);
        output.scroll(100, 2);
        assert_eq!(window(&output, 2), ["a", "bc"]);
        output.scroll(-100, 2);
        assert_eq!(window(&output, 2), ["e", "f"]);
    }

    #[test]
    fn it_is_bounded_in_lines_and_their_length() {
        let mut output = Output::new(JobId::new("a-1").unwrap(), OutputStream::Stdout, Begins::default());
        output.push(&"x\n".repeat(3 * MAX_LINES));
        assert!(output.len() <= MAX_LINES);
        output.push(&"ä".repeat(3 * MAX_LINE));
        assert!(output.lines.iter().all(|line| line.len() <= MAX_LINE) && output.lines.len() <= MAX_LINES);
    }
}
