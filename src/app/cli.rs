//! The command line, and which command it is.
//!
//! In a job there are no arguments: the input `stage` says what to do, and the name under
//! which the image calls us says that it is the post step.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use super::{effective, stage};
use crate::domain::{Class, Failure, Reason, Stage};
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
    /// Deploy to staging the release that succeeded in dev
    DeployStaging(Raw),
    /// Copy, serve and release in prod the model version that passed in staging
    PromoteProd(Raw),
    /// What was deployed: read the ledgers and verify them
    History(stage::History),
    /// End what an interrupted stage left behind; the action's post step
    Settle,
    /// Print the effective configuration
    Config(Raw),
    /// Validate, plan, deploy, run or destroy a bundle by hand, as the official command does
    Bundle {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Copy a version of a registered model by hand
    Model {
        #[command(subcommand)]
        command: super::model_command::ModelCommand,
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
    let mut given = std::env::args_os().skip(1);
    if given.next().as_deref() == Some(OsStr::new("bundle")) {
        return super::bundle_command::main(given.map(|given| given.to_string_lossy().into_owned()).collect());
    }
    match Cli::parse().command {
        Some(command) => dispatch(command),
        None => from_inputs(),
    }
}

/// No command: in a job the inputs say; on a terminal a person wants to know what there is.
fn from_inputs() -> ExitCode {
    if std::env::var_os("GITHUB_ACTIONS").is_some() || std::env::var_os("INPUT_STAGE").is_some() {
        return in_runtime(stage::run(None, Raw::default()));
    }
    let help = Cli::command().print_long_help();
    if help.is_err() { ExitCode::from(Class::Outside.exit_code()) } else { ExitCode::from(Class::Input.exit_code()) }
}

fn dispatch(command: Command) -> ExitCode {
    match command {
        Command::Validate(raw) => in_runtime(stage::run(Some(Stage::Validate), raw)),
        Command::DeployDev(raw) => in_runtime(stage::run(Some(Stage::DeployDev), raw)),
        Command::DeployStaging(raw) => in_runtime(stage::run(Some(Stage::DeployStaging), raw)),
        Command::PromoteProd(raw) => in_runtime(stage::run(Some(Stage::PromoteProd), raw)),
        Command::History(asked) => in_runtime(stage::history(asked)),
        Command::Settle => in_runtime(stage::settle()),
        Command::Config(raw) => in_runtime(effective::print(raw)),
        Command::Bundle { arguments } => super::bundle_command::main(arguments),
        Command::Model { command } => in_runtime(super::model_command::run(command)),
        #[cfg(feature = "rehearsal")]
        Command::Rehearse(asked) => in_runtime(super::rehearse::run(asked)),
    }
}

/// Runs to the end, and says once what went wrong.
fn in_runtime(work: impl Future<Output = Result<ExitCode, Failure>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Err(Failure::new(Reason::Internal, "start the runtime").because(error)),
    };
    ended.unwrap_or_else(|failure| {
        eprint!("{}", crate::report::failure::text(&failure));
        ExitCode::from(failure.reason.class().exit_code())
    })
}
