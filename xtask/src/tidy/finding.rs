use std::fmt;

/// A text file of the repository.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    /// From the repository's top folder, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl SourceFile {
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
    }

    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    pub(crate) fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, message: message.into() }
    }
}

/// Something to put right: where it is, what it is, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.message)
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    pub(in crate::tidy) fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.into(), text: text.into() }
    }

    /// Asserts that there is exactly one finding, at the line, that says the words.
    #[track_caller]
    pub(in crate::tidy) fn assert_one(findings: &[Finding], line: usize, words: &str) {
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].line, line, "{findings:?}");
        assert!(findings[0].message.contains(words), "{findings:?}");
    }

    #[test]
    fn a_finding_reads_like_a_compilers() {
        let finding = file("a/b.rs", "").finding(7, "too long: split it");
        assert_eq!(finding.to_string(), "a/b.rs:7: too long: split it");
    }
}
