//! What is measured, by whatever means.

/// Something that can be done again and again, each time on another worker or job.
pub(crate) trait Case {
    /// Brings about what is to be measured, and undoes what the last time did. Not measured.
    fn prepare(&mut self);

    /// What is measured.
    fn run(&mut self);
}

/// Makes a case of a size: of so many workers, or jobs.
pub(crate) type Make = fn(usize) -> Box<dyn Case>;
