//! `mlops-deploy bundle …`: the engine by hand, with the command line, the documents, the
//! streams and the exit codes of the official command.
//!
//! Exit code 0 and 1 are the official command's; 64 says that the bundle, or the command
//! line, uses something that this engine does not know. Nothing is changed then.

mod args;
mod before;
mod consent;
mod deploy;
mod destroy;
mod hand;
mod hooks;
mod lists;
mod meter;
mod plan;
mod python;
mod ready;
mod run;
mod run_parameters;
mod session;
mod summary;
mod validate;

use std::process::ExitCode;

use args::{BundleArgs, Command};
use clap::Parser;
use hand::{Hand, Quit};

use crate::domain::{Failure, Reason};

const UNSUPPORTED: u8 = 64;

/// Runs `bundle` with the arguments that follow the word.
pub fn main(given: Vec<String>) -> ExitCode {
    let parsed = match BundleArgs::try_parse_from(std::iter::once("bundle".to_owned()).chain(given.iter().cloned())) {
        Ok(parsed) => parsed,
        Err(error) if !error.use_stderr() => {
            print!("{error}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            if let Some(what) = args::unsupported(&given) {
                eprintln!("unsupported: {what} (command line)");
                return ExitCode::from(UNSUPPORTED);
            }
            eprint!("{error}");
            return ExitCode::FAILURE;
        }
    };
    // One thread: a command by hand waits for the workspace most of its time, and starting
    // more threads takes longer than they ever give back.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(parsed)),
        Err(error) => Err(Failure::new(Reason::Internal, "start the runtime").because(error).into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Quit::Failed | Quit::Loading(_)) => ExitCode::FAILURE,
        Err(Quit::Unsupported) => ExitCode::from(UNSUPPORTED),
        Err(Quit::Failure(failure)) => {
            report(&failure);
            let unsupported = failure.reason.class() == crate::domain::Class::Unsupported;
            if unsupported { ExitCode::from(UNSUPPORTED) } else { ExitCode::FAILURE }
        }
    }
}

/// The whole chain on one line, as a diagnostic.
fn report(failure: &Failure) {
    let mut message = failure.message.clone();
    let mut cause = std::error::Error::source(failure);
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    hand::show(&failure.diagnostics);
    eprintln!("Error: {message}");
    if let Some(hint) = &failure.hint {
        eprintln!("  hint: {hint}");
    }
}

async fn dispatch(parsed: BundleArgs) -> hand::Done {
    let global = parsed.global;
    match parsed.command {
        Command::Validate(args) => validate::run(Hand::new(global, None)?, &args).await,
        Command::Plan(args) => plan::run(Hand::new(global, args.cluster_id.clone())?, &args).await,
        Command::Deploy(args) => deploy::run(Hand::new(global, args.cluster_id.clone())?, &args).await,
        Command::Summary(args) => summary::run(Hand::new(global, None)?, &args).await,
        Command::Run(args) => run::run(Hand::new(global, None)?, &args).await,
        Command::Destroy(args) => destroy::run(Hand::new(global, None)?, &args).await,
    }
}
