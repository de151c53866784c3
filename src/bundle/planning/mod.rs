//! From a resolved configuration, the state and the workspace's answers to a plan, and to the requests that carry it out.

pub mod answers;
pub mod classify;
pub mod diff;
pub mod knowledge;
pub mod lookup;
pub mod node;
pub mod place;
pub mod plan;
pub mod planner;
pub mod references;
pub mod requests;
pub mod review;
pub mod select;
pub mod still;
pub mod typed;
pub mod wanted;
