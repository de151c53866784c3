//! The applier: lock, upload, change resources, push the state. Decides nothing about what a
//! bundle means; that is `bundle`, which is pure.

pub mod artifacts;
pub mod folder_permissions;
pub mod lock;
pub mod manifest;
pub mod mirror;
pub mod put_file;
pub mod run;
pub mod sidecar;
pub mod sync_snapshot;
pub mod take_lock;
pub mod upload;
pub mod workspace_files;

pub use lock::{Holder, Lock, LockError};
pub use workspace_files::{UploadRoute, WorkspaceFiles};
