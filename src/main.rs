//! Reads the environment once, runs, exits with the documented code; see `app`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mlops_deploy::app::main()
}
