//! Registered models: what the registry answers, and the verbs that change it.

pub mod bytes;
pub mod champion;
pub mod copy_version;
pub mod finalize;
pub mod find_version;
pub mod input_example;
pub mod measured;
pub mod mlmodel;
pub mod move_alias;
pub mod proven_copy;
pub mod registry;
pub mod rights;
pub mod tag_version;
pub mod tracking;
pub mod triggers;
pub mod withdraw_gate;

pub use move_alias::MoveAlias;
pub use registry::{Registered, Registry, Version};
