//! The files that the demo's jobs work on.

use pool_core::ByteSize;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

/// Real words in real proportions: those of the licence.
const CORPUS: &str = include_str!("../../../LICENSE-APACHE");

/// Writes text files of about this size, the same for the same seed.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn make(directory: &Path, files: usize, size: ByteSize, seed: u64) -> io::Result<Vec<PathBuf>> {
    let lines: Vec<&str> = CORPUS.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    std::fs::create_dir_all(directory)?;
    (1..=files as u64)
        .map(|number| {
            let path = directory.join(format!("text-{number:02}.txt"));
            let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(1000).wrapping_add(number));
            let mut file = BufWriter::new(File::create(&path)?);
            let mut written = 0;
            while written < size.0 {
                let line = lines[rng.random_range(0..lines.len())];
                file.write_all(line.as_bytes())?;
                file.write_all(b"\n")?;
                written += line.len() as u64 + 1;
            }
            file.into_inner()?.sync_data()?;
            Ok(path)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_files() {
        let dir = tempfile::tempdir().unwrap();
        let read = |name: &str, seed| {
            let files = make(&dir.path().join(name), 2, ByteSize::kib(8), seed).unwrap();
            files.iter().map(|f| std::fs::read(f).unwrap()).collect::<Vec<_>>()
        };
        let (a, b, c) = (read("a", 7), read("b", 7), read("c", 8));
        assert_eq!(a, b);
        assert_ne!(a, c);
        assert_ne!(a[0], a[1]);
        assert!((8 * 1024..9 * 1024).contains(&a[0].len()));
    }
}
