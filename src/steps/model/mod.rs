//! Registered models: what the registry answers, and the verbs that change it.

pub mod bytes;
pub mod copy_version;
pub mod finalize;
pub mod find_version;
pub mod mlmodel;
pub mod proven_copy;
pub mod registry;
pub mod tag_version;
pub mod tracking;

pub use registry::{Registered, Registry, Version};
