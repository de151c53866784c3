//! Stage `deploy-staging`: deploy the release that succeeded in dev; train, judge and tag its models; record.
//!
//! That it did succeed there, and that it is what its id says, was asked before anything of it was loaded. A bundle that
//! is deployed as it is still trains for a release that the ledger does not have yet: its code may be another.

use std::sync::Arc;

use super::deployment::{self, Parts};
use super::gate::{Gate, Tag};
use super::phase::Phase;
use super::record::Record;
use super::train::{Training, Validation, Versions};

pub fn phases(parts: &Parts) -> Vec<Box<dyn Phase>> {
    let asked = || Arc::clone(&parts.assignment);
    let trains = !parts.assignment.models.is_empty();
    let mut phases = deployment::phases(parts, if trains { "train" } else { "record" });
    if trains {
        phases.push(Box::new(Training(parts.clone())));
        phases.push(Box::new(Versions(asked())));
        phases.push(Box::new(Validation(parts.clone())));
        phases.push(Box::new(Gate(asked())));
        phases.push(Box::new(Tag(asked())));
    }
    phases.push(Box::new(Record(asked())));
    phases
}
