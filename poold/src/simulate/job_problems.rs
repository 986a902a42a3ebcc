//! What is wrong with a list of jobs, by line and field.

use pool_core::FieldProblem;
use std::fmt;

/// More would help nobody.
const MOST: usize = 20;

/// Problems, the first few of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct JobProblems {
    first: Vec<FieldProblem>,
    more: usize,
}

impl JobProblems {
    /// Adds one of a line, counted from 1. A field need not be to blame.
    pub(super) fn add(&mut self, file: &str, line: usize, field: &str, problem: String) {
        if self.first.len() == MOST {
            self.more += 1;
            return;
        }
        let colon = if field.is_empty() { "" } else { ": " };
        self.first.push(FieldProblem { field: format!("{file}:{line}{colon}{field}"), problem });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

impl fmt::Display for JobProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing was simulated")?;
        for problem in &self.first {
            write!(f, "\n  {problem}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n  … and {more} more"),
        }
    }
}
