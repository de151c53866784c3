//! The bundle engine: bytes and facts in, documents out. Pure; no async, no ports.

pub mod artifacts;
pub mod document;
pub mod early;
pub mod facts;
pub mod fields;
pub mod glob;
pub mod interpolate;
pub mod json;
pub mod kinds;
pub mod load;
pub mod merge;
pub mod names;
pub mod node;
pub mod notebook;
pub mod path_fields;
pub mod paths;
pub mod reference;
pub mod resolve;
pub mod scalars;
pub mod settings;
pub mod source;
pub mod sync;
pub mod target;
pub mod unsupported;
pub mod variables;
pub mod workspace;
pub mod yaml;

pub use facts::{Facts, Git, Options, User};
pub use resolve::{Resolved, Unsupported, resolve};
pub use source::{Entry, EntryKind, InMemory, Source};
