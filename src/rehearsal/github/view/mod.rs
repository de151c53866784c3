//! State, written as GitHub writes it: every property that its description calls required, at its own addresses.

mod actor;
mod checks;
mod commit;
mod deployment;
mod pull;
mod repository;
mod run;

pub(super) use actor::{app, user};
pub(super) use checks::{annotation, check_run};
pub(super) use commit::{commit, comparison, event_commit};
pub(super) use deployment::{deployment, deployment_status, environment};
pub(super) use pull::{comment, pull, pull_in_list, review};
pub(super) use repository::{minimal, repository};
pub(super) use run::{approval, artifact, job, pending, run};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// An opaque global id.
fn node_id(kind: &str, id: impl std::fmt::Display) -> String {
    format!("{}_{}", kind, STANDARD_NO_PAD.encode(format!("{kind}{id}")))
}
