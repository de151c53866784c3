//! The verbs, one a file: observe, write the receipt, act; and how to take it back.

pub mod announce;
pub mod bundle;
pub mod commit_age;
pub mod github_deployment;
pub mod keep_release;
pub mod ledger;
pub mod model;
pub mod open_ledger;
pub mod record;
pub mod recover;
pub mod run_job;
pub mod runs_since;
pub mod serve;
pub mod sticky_comment;
pub mod take_back;
pub mod volume;
pub mod volume_store;
