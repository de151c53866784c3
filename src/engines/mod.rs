//! Which engine reads the bundle: ours, or the official command.

mod build;
pub mod contents;
pub mod cross_checked;
pub mod embedded;
pub mod official_cli;
mod refusals;
