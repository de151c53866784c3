//! The composition root: the only place that names real adapters.
//!
//! The environment is read once, here. What follows is one of: a stage (asked for by the
//! action's inputs or by hand), its post step, the bundle engine by hand, a rehearsal.

mod cli;
mod desk;
#[cfg(feature = "rehearsal")]
mod rehearse;

use std::process::ExitCode;

pub use desk::Desk;

/// Runs the program and says how it ended.
pub fn main() -> ExitCode {
    cli::run()
}
