//! The Git repository around a bundle, as far as there is one.

use std::path::Path;

use crate::adapters::host::Repository;
use crate::bundle::Git;
use crate::domain::{Failure, Reason};

pub fn around(root: &Path) -> Result<Option<Git>, Failure> {
    let unreadable = |e: std::io::Error| Failure::new(Reason::DiskError, "read the Git repository").because(e);
    let Some(repository) = Repository::discover(root).map_err(unreadable)? else { return Ok(None) };
    let head = repository.head().map_err(unreadable)?;
    let inside = root.canonicalize().map_err(unreadable)?;
    let path = inside.strip_prefix(&repository.worktree).ok().map(|p| p.to_string_lossy().into_owned());
    Ok(Some(Git {
        bundle_path: path.filter(|p| !p.is_empty()).unwrap_or_else(|| ".".to_owned()),
        branch: head.branch,
        commit: head.commit,
        origin_url: repository.origin_url(),
    }))
}
