//! Stage `deploy-staging`: deploy the release that succeeded in dev; train, judge and tag its models; record.
//!
//! That it did succeed there, and that it is what its id says, was asked before anything of it was loaded. A bundle that
//! is deployed as it is still trains for a release that the ledger does not have yet: its code may be another. What the
//! bundle no longer has is deleted behind the gate, for until then everything can be taken back.

use std::sync::Arc;

use super::deployment::{self, Parts};
use super::gate::{Gate, Tag};
use super::look::Unchanged;
use super::phase::Phase;
use super::record::Record;
use super::train::{Training, Validation, Versions};

pub fn phases(parts: &Parts) -> Vec<Box<dyn Phase>> {
    let asked = || Arc::clone(&parts.assignment);
    if parts.assignment.models.is_empty() {
        let mut phases = deployment::phases(parts, Unchanged::SkipTo("record"));
        phases.push(Box::new(Record(asked())));
        return phases;
    }
    let spares = parts.engine.sparing();
    let engine = spares.clone().unwrap_or_else(|| Arc::clone(&parts.engine));
    let first = Parts { engine, ..parts.clone() };
    let mut phases = deployment::opening(parts, Unchanged::LockAndSkipTo("train"));
    phases.extend(deployment::deploying(&first, ["deploy", "verify"], Some(&parts.engine)));
    phases.extend(deployment::trying(&first));
    phases.push(Box::new(Training(first.clone())));
    phases.push(Box::new(Versions(asked())));
    phases.push(Box::new(Validation(first)));
    phases.push(Box::new(Gate(asked())));
    phases.push(Box::new(Tag(asked())));
    if spares.is_some() {
        phases.extend(deployment::deleting(parts, "record"));
    }
    phases.push(Box::new(Record(asked())));
    phases
}
