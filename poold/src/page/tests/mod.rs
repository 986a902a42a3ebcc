//! The page in a real browser, and its files.

mod browser;
mod files;
mod large;
mod lines;
mod overtaken;
mod screenshots;
mod site;
mod walk;
