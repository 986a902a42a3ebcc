use crate::error::TaskError;

/// Does the same work on so many threads, which share out among themselves what there is to do. The results of all.
///
/// # Errors
/// The first thread's that has one, after all have ended.
pub(crate) fn run<T: Send>(
    threads: usize,
    work: impl Fn() -> Result<T, TaskError> + Sync,
) -> Result<Vec<T>, TaskError> {
    std::thread::scope(|scope| {
        let crew: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        let mut results = Vec::with_capacity(threads);
        for member in crew {
            results.push(member.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results.into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn each_piece_of_work_is_done_once() {
        let next = AtomicU32::new(0);
        let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < 100);
        let done = run(4, || Ok(std::iter::from_fn(take).collect::<Vec<_>>())).unwrap();
        let mut done = done.concat();
        done.sort_unstable();
        assert!(done.into_iter().eq(0..100));
    }
}
