//! Stage `deploy-staging`: deploy the release that succeeded in dev; train, judge and tag its models, or take over those
//! that dev has trained and test them here; record.
//!
//! That it did succeed there, and that it is what its id says, was asked before anything of it was loaded. A bundle that
//! is deployed as it is still trains for a release that the ledger does not have yet: its code may be another.

use std::sync::Arc;

use super::phase::Phase;
use super::phases::deployment::Parts;
use super::phases::preflight::Preflight;
use super::phases::record::Record;
use super::phases::train;

pub fn phases(parts: &Parts) -> Vec<Box<dyn Phase>> {
    let Parts { assignment, engine, .. } = parts;
    let asked = || Arc::clone(assignment);
    let promotions = assignment.promotions();
    let mut phases: Vec<Box<dyn Phase>> = Vec::new();
    if !promotions.is_empty() {
        phases.push(Box::new(Preflight { promotions, assignment: asked(), engine: Arc::clone(engine) }));
    }
    phases.extend(train::deploying(parts, train::first(assignment).unwrap_or("record"), Vec::new()));
    phases.push(Box::new(Record(asked())));
    phases
}
