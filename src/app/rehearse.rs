//! `rehearse --serve`: only the stand-in workspace, for whoever wants to point a client at it.

use std::process::ExitCode;

use crate::rehearsal::workspace::Alone;

#[derive(clap::Args)]
pub struct Rehearse {
    /// Only start the stand-in workspace and print its address
    #[arg(long, required = true)]
    serve: bool,
    #[command(flatten)]
    alone: Alone,
}

pub fn run(rehearse: Rehearse) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return ended(&error),
    };
    match runtime.block_on(rehearse.alone.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ended(&error),
    }
}

fn ended(error: &std::io::Error) -> ExitCode {
    eprintln!("the stand-in workspace ended: {error}");
    ExitCode::from(4)
}
