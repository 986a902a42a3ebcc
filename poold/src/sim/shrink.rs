//! From all faults of a run that failed to the few that it takes.

use super::{director, setting::Setting};
use std::io;

/// Runs that a shrinking makes at most.
const MOST_RUNS: usize = 400;

/// A set of faults, by their places, with which the same rule is broken, and from which none can be left out. Delta
/// debugging: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002.
///
/// # Errors
/// Files cannot be made.
pub(crate) fn shrink(setting: &Setting, rule: &str, from: Vec<usize>) -> io::Result<Vec<usize>> {
    let mut runs = 0;
    let mut fails = |faults: &[usize]| -> io::Result<bool> {
        runs += 1;
        if runs > MOST_RUNS {
            return Ok(false);
        }
        let violation = director::run(setting, Some(faults), false)?.violation;
        Ok(violation.is_some_and(|violation| violation.rule == rule))
    };
    if fails(&[])? {
        return Ok(Vec::new());
    }
    let mut faults = from;
    let mut parts = 2;
    while faults.len() > 1 {
        let size = faults.len().div_ceil(parts);
        let chunks: Vec<Vec<usize>> = faults.chunks(size).map(<[usize]>::to_vec).collect();
        let without = |chunk: &[usize]| -> Vec<usize> {
            faults.iter().copied().filter(|fault| !chunk.contains(fault)).collect()
        };
        let mut smaller = None;
        for chunk in &chunks {
            if fails(chunk)? {
                smaller = Some((chunk.clone(), 2));
                break;
            }
        }
        if smaller.is_none() {
            for rest in chunks.iter().map(|chunk| without(chunk)) {
                if !rest.is_empty() && fails(&rest)? {
                    smaller = Some((rest, (parts - 1).max(2)));
                    break;
                }
            }
        }
        match smaller {
            Some((found, next)) => (faults, parts) = (found, next),
            None if size == 1 => break,
            None => parts = (parts * 2).min(faults.len()),
        }
    }
    Ok(faults)
}
