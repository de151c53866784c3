//! The files of a model version: where they lie, and how they come from one version to another.
//!
//! `Store` is one version's files behind one route; `route` finds out which routes a workspace
//! offers. `Pump` moves them: in parts, in parallel, within one budget of memory and without a
//! disk, and hashes each file on its way. What was moved is a `Manifest`.

pub mod azure;
pub mod credentials;
pub mod files_api;
pub mod manifest;
pub mod memory;
pub mod object_store;
pub mod progress;
pub mod pump;
pub mod route;
pub mod store;

pub use manifest::{Entry, Manifest};
pub use progress::Progress;
pub use pump::Pump;
pub use route::Access;
pub use store::{BytesError, FileEntry, Store};
