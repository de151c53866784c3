//! Takes a Databricks machine-learning bundle from pull request to production.
//!
//! Folders are layers; `tests/it/layers.rs` holds which may use which, edge by edge.
//! Nouns live in `domain`, verbs in `steps`, sentences in `stages`.

pub mod adapters;
pub mod app;
pub mod bundle;
pub mod domain;
pub mod engines;
pub mod inputs;
pub mod policy;
pub mod ports;
#[cfg(feature = "rehearsal")]
pub mod rehearsal;
pub mod report;
pub mod saga;
pub mod stages;
pub mod steps;
