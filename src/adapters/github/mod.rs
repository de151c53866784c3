//! GitHub over HTTP, through octocrab.

mod client;
mod errors;
mod wire;

pub use client::{ACTIONS_BOT, GitHubApi, GitHubSettings};
