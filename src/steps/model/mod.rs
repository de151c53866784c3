//! Registered models: what the registry answers, and the verbs that change it.

pub mod find_version;
pub mod registry;
pub mod tag_version;
pub mod tracking;

pub use registry::{Registered, Registry, Version};
