//! A stand-in Databricks workspace: a state machine behind real HTTP.
//!
//! It holds state and enforces rules instead of replaying answers, so that a client that was never tried against it gets
//! a believable reply or a believable refusal. What it does not know it answers with 501; it never invents success.
//! Written from the public API documentation and the published field lists of the SDK (`requests.json`).
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use mlops_deploy::rehearsal::workspace::{self, Config};
//! let workspace = workspace::serve(Config::per_token()).await?;
//! println!("DATABRICKS_HOST={}", workspace.url());
//! # Ok(()) }
//! ```
//!
//! How a request travels: `serve` (log, faults) -> `identity` (who is it, may it) -> `checked` (fields and types) ->
//! one function under `api/`, which sees one workspace under its lock and answers at once. Nothing under `api/` waits;
//! what takes time (a task's Python) runs in `tasks/` and takes the lock again when it has news.

mod alone;
mod api;
mod arriving;
mod call;
mod checked;
mod clock;
mod config;
mod content;
mod control;
mod dump;
mod identity;
mod links;
mod metastore;
mod routes;
mod routes_kinds;
mod routes_mlflow;
mod serve;
mod served;
mod store;
mod tasks;
mod tree;

pub use alone::{Alone, TaskMode};
pub use config::{Bucket, Config, Identity, Leniency, ModelFiles, Uploads};
pub use control::{Control, Memory, PutFile, Seen};
pub use identity::{Federation, Policy, Principal, Rule};
pub use metastore::{Metastore, is_shared};
pub use serve::{Running, serve};
pub use served::{Answer, Build};
pub use tasks::{Local, Outcome, Script, Tasks, Training};
