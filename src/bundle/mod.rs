//! The bundle engine: bytes and facts in, documents out. Pure; no async, no ports.

pub mod document;
pub mod facts;
pub mod fields;
pub mod json;
pub mod kinds;
pub mod merge;
pub mod node;
pub mod notebook;
pub mod resolve;
pub mod scalars;
pub mod source;
pub mod yaml;

pub use facts::{Facts, Git, Options, User};
pub use resolve::{Resolved, Unsupported, resolve};
pub use source::{Entry, EntryKind, InMemory, Source};
