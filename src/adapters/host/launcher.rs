//! The step between us and a command of the repository: drops what it must not have, then
//! becomes it.
//!
//! Our binary starts itself as `mlops-deploy __child UID:GID PROGRAM ARGS…`. Between fork
//! and exec only unsafe code could do this; after an exec of our own it is ordinary code. If
//! anything cannot be dropped the command is not run.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::process::{Gid, Uid};

/// The hidden first argument.
pub const ARGUMENT: &str = "__child";
/// Where nothing can be dropped because we are nobody special: keep the user.
pub const SAME_USER: &str = "same";

/// As `env` and shells have it: the command was found and could not be run.
const CANNOT_RUN: u8 = 126;

/// To be called before anything else, above all before there is a second thread: `Some` when
/// we were started as the launcher, and then only if it failed.
pub fn run_if_asked(mut args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let _own_name = args.next();
    if args.next()? != ARGUMENT {
        return None;
    }
    let why = become_child(args);
    eprintln!("mlops-deploy: the command was not run: {why}");
    Some(ExitCode::from(CANNOT_RUN))
}

/// Returns only the reason why it failed.
fn become_child(mut args: impl Iterator<Item = OsString>) -> String {
    let user = args.next().and_then(|user| user.into_string().ok()).unwrap_or_default();
    if let Err(why) = drop_privileges(&user) {
        return why;
    }
    let Some(program) = args.next() else { return "no program is named".to_owned() };
    let error = Command::new(&program).args(args).exec();
    format!("{}: {error}", program.to_string_lossy())
}

fn drop_privileges(user: &str) -> Result<(), String> {
    if user != SAME_USER {
        let ids = user.split_once(':').and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
        let Some((uid, gid)) = ids else { return Err(format!("`{user}` is no user")) };
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        // Groups first: without the user id of root they could not be dropped any more.
        rustix::thread::set_thread_groups(&[]).map_err(|e| format!("cannot leave our groups: {e}"))?;
        rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(|e| format!("cannot change the group: {e}"))?;
        rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(|e| format!("cannot change the user: {e}"))?;
        if rustix::process::geteuid() != uid || rustix::thread::set_thread_uid(Uid::ROOT).is_ok() {
            return Err("the user was not changed for good".to_owned());
        }
    }
    rustix::thread::set_no_new_privs(true).map_err(|e| format!("cannot forbid new privileges: {e}"))
}

/// Keeps other processes, children of the same user included, from reading our memory and
/// environment, and us from leaving them in a core file.
pub fn hide_our_process() -> std::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
