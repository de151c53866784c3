//! The command line, and which command it is.
//!
//! In a job there are no arguments: the input `stage` says what to do, and the name under
//! which the image calls us says that it is the post step.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::domain::Stage;
use crate::inputs::raw::Raw;

/// The name by which `action.yml` calls the post step.
const SETTLE: &str = "mlops-deploy-settle";

#[derive(Parser)]
#[command(
    name = "mlops-deploy",
    version,
    about = "Takes a Databricks machine-learning bundle from pull request to production"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Check a bundle and show what deploying it to dev would change
    Validate(Raw),
    /// Deploy a bundle to dev, verify it and run its smoke jobs
    DeployDev(Raw),
    /// End what an interrupted stage left behind; the action's post step
    Settle,
    /// Print the effective configuration
    Config(Raw),
    /// Validate, plan, deploy, run or destroy a bundle by hand, as the official command does
    Bundle {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run the stages on this machine, against stand-ins
    #[cfg(feature = "rehearsal")]
    Rehearse(super::rehearse::Rehearse),
}

pub fn run() -> ExitCode {
    let name = std::env::args_os().next();
    let name = name.as_deref().map(Path::new).and_then(Path::file_name).unwrap_or(OsStr::new(""));
    if name == SETTLE {
        return dispatch(Command::Settle);
    }
    // By hand everything is the official command's, its command line too: nothing else is read.
    let mut given = std::env::args().skip(1);
    if given.next().as_deref() == Some("bundle") {
        return super::bundle_command::main(given.collect());
    }
    match Cli::parse().command {
        Some(command) => dispatch(command),
        None => from_inputs(),
    }
}

/// No command: the inputs say.
fn from_inputs() -> ExitCode {
    ExitCode::from(2)
}

fn dispatch(command: Command) -> ExitCode {
    match command {
        Command::Validate(raw) => stage(Some(Stage::Validate), raw),
        Command::DeployDev(raw) => stage(Some(Stage::DeployDev), raw),
        Command::Settle => ExitCode::from(70),
        Command::Config(_) => ExitCode::from(70),
        Command::Bundle { arguments } => super::bundle_command::main(arguments),
        #[cfg(feature = "rehearsal")]
        Command::Rehearse(rehearse) => super::rehearse::run(rehearse),
    }
}

fn stage(_: Option<Stage>, _: Raw) -> ExitCode {
    ExitCode::from(70)
}
