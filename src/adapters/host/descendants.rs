//! Finds and ends what a command of the repository left running.
//!
//! Its process group is killed first. What has left the group (a daemon) is adopted by us,
//! because we are the subreaper, and is known by its user or by a mark in its environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, MutexGuard};

use rustix::process::{Pid, Signal, WaitOptions};

/// Commands that are running now: what lies below one of them is not left over.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// How the leftovers of one command are told from everything else.
#[derive(Clone, Debug)]
pub enum Known {
    /// Nobody but commands of the repository runs as this user.
    ByUser(u32),
    /// `NAME=value` in the environment that only this command got.
    ByMark(String),
}

pub fn adopt_orphans() -> std::io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Registers a command while it is started, so that no sweep meets it unregistered.
pub fn start<T>(spawn: impl FnOnce() -> std::io::Result<(T, i32)>) -> std::io::Result<(T, Running)> {
    let mut running = running();
    let (child, pid) = spawn()?;
    running.insert(pid);
    Ok((child, Running { pid }))
}

/// A running command's process group. Dropping it kills the group.
pub struct Running {
    pid: i32,
}

impl Running {
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid) {
            // It may have ended just now.
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        running().remove(&self.pid);
    }
}

/// Kills and reaps what is left over. Bounded: a command that forks faster than we kill must
/// not keep us here for ever.
pub fn sweep(known: &Known) {
    const ROUNDS: usize = 20;
    for _ in 0..ROUNDS {
        let left = leftovers(known);
        for pid in left.iter().filter_map(|pid| Pid::from_raw(*pid)) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        }
        if left.is_empty() {
            return;
        }
        std::thread::yield_now();
    }
}

fn leftovers(known: &Known) -> Vec<i32> {
    let running = running();
    let parents = parents();
    let us = rustix::process::getpid().as_raw_nonzero().get();
    let below = |pid: i32, wanted: &dyn Fn(i32) -> bool| {
        let mut at = pid;
        for _ in 0..parents.len() {
            if wanted(at) {
                return true;
            }
            match parents.get(&at) {
                Some(parent) => at = *parent,
                None => return false,
            }
        }
        false
    };
    parents
        .keys()
        .copied()
        .filter(|pid| *pid != us && known.matches(*pid))
        .filter(|pid| below(*pid, &|at| at == us) && !below(*pid, &|at| running.contains(&at)))
        .collect()
}

impl Known {
    fn matches(&self, pid: i32) -> bool {
        match self {
            // The folder's owner would be root for a process that hid itself; this is not fooled.
            Known::ByUser(user) => real_user(pid) == Some(*user),
            Known::ByMark(mark) => {
                let same_user = fs::metadata(format!("/proc/{pid}"))
                    .is_ok_and(|meta| meta.uid() == rustix::process::geteuid().as_raw());
                same_user
                    && fs::read(format!("/proc/{pid}/environ"))
                        .is_ok_and(|env| env.split(|b| *b == 0).any(|pair| pair == mark.as_bytes()))
            }
        }
    }
}

fn real_user(pid: i32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?.parse().ok()
}

/// Every process and its parent.
fn parents() -> BTreeMap<i32, i32> {
    let Ok(folder) = fs::read_dir("/proc") else { return BTreeMap::new() };
    let pids = folder.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in brackets may hold anything, brackets and spaces too.
        let after_name = &stat[stat.rfind(')')? + 1..];
        Some((pid, after_name.split_whitespace().nth(1)?.parse().ok()?))
    })
    .collect()
}

fn running() -> MutexGuard<'static, BTreeSet<i32>> {
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
