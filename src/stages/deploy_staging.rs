//! Stage `deploy-staging`: deploy the release that succeeded in dev; record.
//!
//! That it did, and that it is what its id says, was asked before anything of it was loaded.

use std::sync::Arc;

use super::deployment::{self, Parts};
use super::phase::Phase;
use super::record::Record;

pub fn phases(parts: &Parts) -> Vec<Box<dyn Phase>> {
    let mut phases = deployment::phases(parts, "record");
    phases.push(Box::new(Record(Arc::clone(&parts.assignment))));
    phases
}
