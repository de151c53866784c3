//! Stage `validate`: what would a deployment to dev change? Changes nothing.
//!
//! Everything that needs no token has been asked before: configuration, hosts, every target
//! resolved. What is left is the plan, read by a principal that can only read.

use std::sync::Arc;

use super::assignment::Assignment;
use super::phase::Phase;
use super::phases::look::Look;
use crate::ports::engine::Engine;

pub fn phases(assignment: &Arc<Assignment>, engine: &Arc<dyn Engine>) -> Vec<Box<dyn Phase>> {
    vec![Box::new(Look { assignment: Arc::clone(assignment), engine: Arc::clone(engine), deploys: None })]
}
