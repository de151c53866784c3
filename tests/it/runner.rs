//! What the runner hears, and what it makes us do.

use std::time::Duration;

use mlops_deploy::adapters::host::Signals;
use mlops_deploy::adapters::host::launcher::hide_our_process;
use mlops_deploy::saga::Stop;

#[tokio::test]
async fn the_first_signal_asks_to_stop_and_names_the_exit_code() {
    let (asked, mut stop) = Stop::new();
    let signals = Signals::listen(asked).unwrap();
    assert_eq!((signals.exit_code(), stop.requested()), (None, false));
    let us = rustix::process::getpid();
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        rustix::process::kill_process(us, signal).unwrap();
        tokio::time::timeout(Duration::from_secs(10), stop.wait()).await.unwrap();
    }
    assert_eq!((signals.exit_code(), stop.requested()), (Some(143), true));
}

#[test]
fn our_memory_is_closed_to_other_processes() {
    hide_our_process().unwrap();
    let dumpable = rustix::process::dumpable_behavior().unwrap();
    assert_eq!(dumpable, rustix::process::DumpableBehavior::NotDumpable);
}

#[test]
fn a_command_is_not_run_when_nothing_could_be_dropped() {
    let binary = env!("CARGO_BIN_EXE_mlops-deploy");
    let launched = std::process::Command::new(binary).args(["__child", "nobody", "true"]).output().unwrap();
    assert_eq!(launched.status.code(), Some(126));
    let said = String::from_utf8(launched.stderr).unwrap();
    assert_eq!(said, "mlops-deploy: the command was not run: `nobody` is no user\n");
}
