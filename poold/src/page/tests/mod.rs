//! The page in a real browser, and its files.

mod files;
