//! Stage `deploy-dev`: deploy what is checked out, packed as a release; keep the release for
//! the stages behind; train and judge what dev trains; record.

use std::sync::Arc;

use super::phase::Phase;
use super::phases::deployment::Parts;
use super::phases::keep::Keep;
use super::phases::record::Record;
use super::phases::train;
use crate::ports::Store;

/// `store` is absent where the workflow takes the archive along.
pub fn phases(parts: &Parts, store: Option<Arc<dyn Store>>) -> Vec<Box<dyn Phase>> {
    let keep = Keep { assignment: Arc::clone(&parts.assignment), store };
    let mut phases = train::deploying(parts, "keep", vec![Box::new(keep)]);
    phases.push(Box::new(Record(Arc::clone(&parts.assignment))));
    phases
}
