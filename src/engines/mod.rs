//! Which engine reads the bundle: ours, or the official command.

pub mod embedded;
pub mod official_cli;
