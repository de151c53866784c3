//! The nouns: what the other layers talk about. Plain data; std and serde only.

pub mod diagnostic;
pub mod failure;
pub mod secret;
pub mod tree;

pub use diagnostic::{Diagnostic, Severity};
pub use failure::{Class, Failure, Reason};
pub use secret::Secret;
pub use tree::{Node, Origin, Tree};
