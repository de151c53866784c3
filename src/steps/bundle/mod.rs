//! The applier: lock, upload, change resources, push the state. Decides nothing about what a
//! bundle means; that is `bundle`, which is pure.

pub mod active_runs;
pub mod adopt;
pub mod applier;
pub mod artifacts;
pub mod ask;
pub mod book;
pub mod change_resource;
pub mod checks;
pub mod edited;
pub mod find_resource;
pub mod folder_permissions;
pub mod lock;
pub mod look_up;
pub mod manifest;
pub mod mirror;
mod order;
pub mod put_file;
pub mod put_late;
pub mod read;
pub mod run;
pub mod run_python;
pub mod send_resource;
pub mod set_folder_permissions;
pub mod sidecar;
pub mod stamp_wheels;
pub mod state_files;
pub mod still_absent;
pub mod sync_snapshot;
mod take_back;
pub mod take_lock;
pub mod upload;
pub mod what_was;
pub mod whoami;
pub mod workspace_files;

pub use lock::{Holder, Lock, LockError};
pub use workspace_files::{UploadRoute, WorkspaceFiles};
