//! The only place for network, files, processes and clocks.

pub mod databricks;
pub mod github;
pub mod host;
pub mod http;
pub mod retry;
pub mod transfer;
