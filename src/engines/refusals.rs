//! Why our own engine refuses to plan, said for people: what a stage stops for before anything is written.

use crate::bundle::Resolved;
use crate::bundle::planning::plan::Plan;
use crate::bundle::planning::planner::NoPlan;
use crate::bundle::state::State;
use crate::domain::{Diagnostic, Failure, Reason, Tree};
use crate::ports::Rest;
use crate::steps::bundle::active_runs;

pub(super) fn accepted(resolved: Resolved) -> Result<Resolved, Failure> {
    if !resolved.unsupported.is_empty() {
        return Err(unsupported(resolved.unsupported.iter().map(ToString::to_string).collect()));
    }
    refuse_errors(&resolved.diagnostics, Reason::InvalidBundle)?;
    Ok(resolved)
}

pub(super) fn unsupported(constructs: Vec<String>) -> Failure {
    let message = format!("read the bundle with our own engine:\n  {}", constructs.join("\n  "));
    Failure::new(Reason::Unsupported, message).hint("use `engine: cli` in an image that has the official command")
}

/// A library that a task names and nobody built.
pub(super) fn refuse_missing(found: &[Diagnostic]) -> Result<(), Failure> {
    let hint = "`artifacts` of the bundle builds what a task names; correct the path, or build it before";
    refuse_errors(found, Reason::ArtifactMissing).map_err(|failure| failure.hint(hint))
}

pub(super) fn refuse_errors(found: &[Diagnostic], reason: Reason) -> Result<(), Failure> {
    let errors: Vec<Diagnostic> = found.iter().filter(|d| d.is_error()).cloned().collect();
    let Some(first) = errors.first() else { return Ok(()) };
    let more = if errors.len() > 1 { format!(" (and {} more)", errors.len() - 1) } else { String::new() };
    Err(Failure::new(reason, format!("resolve the bundle: {}{more}", first.summary)).about(errors))
}

pub(super) fn no_plan(why: NoPlan) -> Failure {
    match why {
        NoPlan::Wrong(diagnostics) => refuse_errors(&diagnostics, Reason::InvalidBundle)
            .err()
            .unwrap_or_else(|| Failure::new(Reason::Internal, "plan: it was refused without an error")),
        NoPlan::Unsupported(constructs) => unsupported(constructs.iter().map(ToString::to_string).collect()),
    }
}

/// A bundle may forbid to change what is at work.
pub(super) async fn refuse_active_runs(rest: &dyn Rest, config: &Tree, state: &State) -> Result<(), Failure> {
    let setting = config.find(&["bundle", "deployment", "fail_on_active_runs"]);
    if setting.and_then(Tree::as_bool) != Some(true) {
        return Ok(());
    }
    let Some(found) = active_runs::first(rest, state).await? else { return Ok(()) };
    let message = format!("plan: {}, and the bundle says `fail_on_active_runs`", found.summary);
    Err(Failure::new(Reason::Conflict, message).hint("run the stage again when it has ended, or cancel it"))
}

pub(super) fn prevented(plan: &Plan) -> Result<(), Failure> {
    let nodes: Vec<&str> = plan.prevented().iter().map(|p| p.node.as_str()).collect();
    if nodes.is_empty() {
        return Ok(());
    }
    let message = format!("plan: {} would be deleted or recreated in spite of `prevent_destroy`", nodes.join(", "));
    Err(Failure::new(Reason::PreventDestroy, message)
        .hint("take `lifecycle.prevent_destroy` away in a change of its own if that is meant"))
}
