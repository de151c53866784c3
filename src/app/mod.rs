//! The composition root: the only place that names real adapters.
//!
//! The environment is read once, here. What follows is one of: a stage (asked for by the
//! action's inputs or by hand), its post step, the bundle engine by hand, a rehearsal.

mod bundle_command;
mod cli;
mod credentials;
mod desk;
pub mod disk;
mod effective;
mod git;
mod model_command;
#[cfg(feature = "rehearsal")]
mod rehearse;
mod stage;

use std::process::ExitCode;

use crate::adapters::host::launcher;
use crate::domain::Class;

pub use desk::Desk;

/// Runs the program and says how it ended.
pub fn main() -> ExitCode {
    // Started by ourselves, to become a command of the repository.
    if let Some(failed) = launcher::run_if_asked(std::env::args_os()) {
        return failed;
    }
    if let Err(error) = launcher::hide_our_process() {
        eprintln!("mlops-deploy: cannot hide our memory from other processes: {error}");
        return ExitCode::from(Class::Bug.exit_code());
    }
    cli::run()
}
