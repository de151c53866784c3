//! The nouns: what the other layers talk about. Plain data; std and serde only.

pub mod diagnostic;
pub mod failure;
pub mod path;
pub mod secret;
pub mod tree;

pub use diagnostic::{Diagnostic, Severity};
pub use failure::{Class, Failure, Reason};
pub use path::{Path, Step};
pub use secret::Secret;
pub use tree::{Map, Node, Origin, Tree};
