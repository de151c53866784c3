//! Registered models: what the registry answers, and the verbs that change it.

pub mod registry;

pub use registry::{Registered, Registry, Version};
