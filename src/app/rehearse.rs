//! `rehearse --serve`: only the stand-ins, for whoever wants to point a client at them.

use std::net::SocketAddr;
use std::process::ExitCode;

use crate::rehearsal::github::{self, GitHub};
use crate::rehearsal::workspace::Alone;

#[derive(clap::Args)]
pub struct Rehearse {
    /// Only start the stand-in workspace and print its address
    #[arg(long, required = true)]
    serve: bool,
    /// Start a stand-in GitHub too, at this address, and print its own before the workspace's
    #[arg(long, value_name = "ADDRESS")]
    github: Option<SocketAddr>,
    #[command(flatten)]
    alone: Alone,
}

pub fn run(rehearse: Rehearse) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return ended(&error),
    };
    // It is served as long as this lives.
    let _github = match rehearse.github.map(serve_github).transpose() {
        Ok(github) => github,
        Err(error) => return ended(&error),
    };
    match runtime.block_on(rehearse.alone.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ended(&error),
    }
}

fn serve_github(bind: SocketAddr) -> std::io::Result<GitHub> {
    let github = GitHub::start(github::Config { bind, ..github::Config::default() })?;
    println!("GITHUB_SERVER_URL={}", github.server_url());
    Ok(github)
}

fn ended(error: &std::io::Error) -> ExitCode {
    eprintln!("the stand-in ended: {error}");
    ExitCode::from(4)
}
