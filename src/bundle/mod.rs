//! The bundle engine: bytes and facts in, documents out. Pure; no async, no ports.

pub mod compatibility;
pub mod facts;
pub mod fields;
pub mod kinds;
pub mod libraries;
pub mod load;
pub mod lookups;
pub mod metadata;
pub mod passes;
pub mod planning;
pub mod python;
pub mod resolve;
pub mod source;
pub mod state;
pub mod syntax;
pub mod wheel;

pub use facts::{Facts, Git, Options, User};
pub use passes::bundle::Unsupported;
pub use resolve::{Resolved, resolve};
pub use source::{Entry, EntryKind, InMemory, Source};
