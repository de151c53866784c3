//! Stage `promote-prod`: the tested version is copied, the same release deployed with its clocks held, the version served
//! step by step and tried, its alias moved, and only then the clocks start; what the bundle no longer has is deleted last.
//!
//! Each phase has its undo, so that until the record is written prod can be given back as it was. Traffic takes hours where
//! it is watched: a run that dies on that way is carried on by the next one that means the same.

use std::sync::Arc;

use super::assignment::Promotion;
use super::phase::Phase;
use super::phases::alias::MoveChampion;
use super::phases::carry_on::Carrying;
use super::phases::copy::{Copy, copied};
use super::phases::deployment::{self, Parts};
use super::phases::endpoint::{self, Promoted};
use super::phases::look::Unchanged;
use super::phases::preflight::Preflight;
use super::phases::record::Record;
use super::phases::watch::Watch;
use crate::domain::{Failure, Reason};

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
    let none = || Failure::new(Reason::Internal, "promote: the promotion moves no alias");
    let alias = promotion.alias.clone().ok_or_else(none)?;
    let promoted: Promoted = {
        let promotion = Arc::clone(promotion);
        Arc::new(move |begun| copied(&promotion, begun))
    };
    let promotions = vec![Arc::clone(promotion)];
    let copy = |name, deployed| {
        let promotions = promotions.clone();
        Box::new(Copy { promotions, assignment: Arc::clone(assignment), name, deployed })
    };

    let serving = promotion.serve.iter().flat_map(|serve| endpoint::phases(serve, &promoted)).collect::<Vec<_>>();
    let carrying = Carrying {
        promotion: Arc::clone(promotion),
        lasting: serving.iter().map(|phase| phase.name().to_owned()).collect(),
    };

    let mut phases: Vec<Box<dyn Phase>> = vec![Box::new(Preflight {
        promotions: promotions.clone(),
        assignment: Arc::clone(assignment),
        engine: Arc::clone(engine),
    })];
    phases.extend(deployment::opening(parts, Unchanged::GoOn, Some(carrying)));
    phases.push(copy("copy", false));
    phases.extend(deployment::deploying(&held, ["deploy", "verify"], Some(engine)));
    phases.push(copy("copy-late", true));
    phases.extend(serving);
    phases.extend(deployment::trying(&held));
    phases.push(Box::new(MoveChampion { alias, promoted }));
    phases.extend(deployment::deploying(&sparing, ["schedules", "verify-schedules"], None));
    phases.push(Box::new(Watch {
        promotions: promotions.clone(),
        assignment: Arc::clone(assignment),
        engine: Arc::clone(engine),
    }));
    phases.extend(deployment::deleting(parts, "record"));
    phases.push(Box::new(Record(Arc::clone(assignment))));
    Ok(phases)
}
