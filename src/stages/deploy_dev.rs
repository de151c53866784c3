//! Stage `deploy-dev`: deploy what is checked out, packed as a release; keep the release for
//! the stages behind; record.

use std::sync::Arc;

use super::deployment::{self, Parts};
use super::keep::Keep;
use super::look::Unchanged;
use super::phase::Phase;
use super::record::Record;
use crate::ports::Store;

/// `store` is absent where the workflow takes the archive along.
pub fn phases(parts: &Parts, store: Option<Arc<dyn Store>>) -> Vec<Box<dyn Phase>> {
    let mut phases = deployment::phases(parts, Unchanged::SkipTo("keep"));
    phases.push(Box::new(Keep { assignment: Arc::clone(&parts.assignment), store }));
    phases.push(Box::new(Record(Arc::clone(&parts.assignment))));
    phases
}
