//! A stand-in GitHub: one repository with its REST API, and the issuer of its jobs' ID tokens.
//!
//! It holds state and enforces the rules that a client meets in the world: who the token belongs to and what its job was
//! permitted, lengths and enumerations, pages, conflicts. Stricter than GitHub in one way: a key in a request body that
//! the description of the API does not know is refused, because GitHub would ignore it and the author would never learn.
//! A route it does not know answers 501, so that nobody takes its silence for GitHub's.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mlops_deploy::rehearsal::github::{Config, Event, GitHub, JobSpec};
//! let github = GitHub::start(Config::default())?;
//! github.push("main", "ana", "Train on all regions")?;
//! let job = github.start_job(JobSpec::on(Event::push("main")).permit("id-token: write, deployments: write")?)?;
//! let runner = job.runner(std::path::Path::new("/tmp/job"))?; // GITHUB_*, ACTIONS_*, event.json, command files
//! # let _ = runner; Ok(()) }
//! ```
//!
//! How a request travels: `front` (record, faults) -> `call` (whose token, which repository, permission) -> one function
//! under `api/`, which sees the whole state under its lock and answers at once. `view/` writes what GitHub would show.

mod access;
mod api;
mod call;
mod clock;
mod config;
mod dump;
mod event;
mod file_commands;
mod gate;
mod history;
mod identity;
mod job;
mod keys;
mod page;
mod runner;
mod scenario;
mod standin;
mod state;
mod story;
mod strict;
mod view;

pub use access::{Level, Permissions, Scope, UnknownPermission};
pub use config::{Config, Flavour, Subjects};
pub use event::Event;
pub use job::{Conclusion, JobEnvironment, JobSpec, RunningJob};
pub use runner::Runner;
pub use scenario::{PullRequest, ScenarioError};
pub use standin::{GitHub, Memory, World};
