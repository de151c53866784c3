//! Stage `promote-prod`: the tested version is copied, the same release deployed with its clocks held, the version served
//! step by step and tried, its alias moved, and only then the clocks start; what the bundle no longer has is deleted last.
//!
//! Each phase has its undo, so that until the record is written prod can be given back as it was.

use std::sync::Arc;

use super::alias::MoveChampion;
use super::copy::Copy;
use super::deployment::{self, Parts};
use super::endpoint::{self, Promoted};
use super::look::Unchanged;
use super::phase::Phase;
use super::preflight::{Preflight, Promotion};
use super::record::Record;
use super::watch::Watch;
use crate::domain::{Failure, Reason};
use crate::saga::Begun;
use crate::steps::model::copy_version::{self, Copied};

pub fn phases(parts: &Parts, promotion: &Arc<Promotion>) -> Result<Vec<Box<dyn Phase>>, Failure> {
    let (assignment, engine) = (&parts.assignment, &parts.engine);
    let models = [promotion.destination.to_string()];
    let Some(still) = engine.holding_still(&models) else {
        let message =
            format!("promote with the engine `{}`: it cannot hold clocks until the model is moved", engine.name());
        return Err(Failure::new(Reason::Unsupported, message).hint("use `engine: embedded`"));
    };
    let held = Parts { engine: still, ..parts.clone() };
    let spares = engine.sparing().unwrap_or_else(|| Arc::clone(engine));
    let sparing = Parts { engine: spares, ..parts.clone() };
    let promoted: Promoted = Arc::new(copied);
    let preflight =
        Preflight { promotion: Arc::clone(promotion), assignment: Arc::clone(assignment), engine: Arc::clone(engine) };
    let copy = |late| Box::new(Copy { promotion: Arc::clone(promotion), assignment: Arc::clone(assignment), late });

    let mut phases: Vec<Box<dyn Phase>> = vec![Box::new(preflight)];
    phases.extend(deployment::opening(parts, Unchanged::GoOn));
    phases.push(copy(false));
    phases.extend(deployment::deploying(&held, ["deploy", "verify"], Some(engine)));
    phases.push(copy(true));
    if let Some(serve) = &promotion.serve {
        phases.extend(endpoint::phases(serve, &promoted));
    }
    phases.extend(deployment::trying(&held));
    phases.push(Box::new(MoveChampion { promotion: Arc::clone(promotion), promoted: Arc::clone(&promoted) }));
    phases.extend(deployment::deploying(&sparing, ["schedules", "verify-schedules"], None));
    phases.push(Box::new(Watch {
        promotion: Arc::clone(promotion),
        assignment: Arc::clone(assignment),
        engine: Arc::clone(engine),
        promoted,
    }));
    phases.extend(deployment::deleting(parts, "record"));
    phases.push(Box::new(Record(Arc::clone(assignment))));
    Ok(phases)
}

/// The version that this run copied, or found copied.
fn copied(begun: &[Begun]) -> Option<(crate::domain::ModelName, crate::domain::ModelVersion)> {
    let copy = begun.iter().rev().find(|b| b.spec.verb == copy_version::VERB)?;
    let Copied { model, version, .. } = Copied::of(copy.outcome.as_ref()?)?;
    Some((model, version))
}
